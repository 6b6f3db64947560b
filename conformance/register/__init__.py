"""A register: static pages from the saved results of many subjects, by one or several contracts.

    results         a saved run, reduced to what the pages show
    certificates    what is known of a certificate, and the result that it states
    reading         files and folders → results; what cannot be read, a line each
    subjects        results → subjects with their history and a stable address, in groups
    document        subjects → register.json
    pages           subjects → the first page, a page and a badge for each subject
    publishing      pages → a directory, in which only files of the register are replaced

Whoever submits a result may write anything into it. So each file is validated, no foreign page is copied unless the
caller asks for it, and only the signature of a known key makes a certificate count.
"""
