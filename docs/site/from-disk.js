// A page on a disk may not read others, so search shows titles without the sentences around the word.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
