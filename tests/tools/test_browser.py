"""The HTML report in a real browser: Chromium does with it what people do, and this says what it must have seen.

`make test-browser` installs what drives Chromium (playwright-core) and what finds barriers (axe-core); without them
these tests are skipped. All pages are made of real runs and certifications. `.ci/browser/look.mjs` visits them once,
for all tests; with BROWSER_SCREENSHOTS=DIR it leaves pictures.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from campaigns import settings
from load_records import busy
from made_result import CASE, RECORD, REQUEST, WRONG_TYPE, result_of, verdict
from seeded import fault
from six_defects import judge_six_defects
from starter_drivers import starter

from conformance.client import certification
from conformance.client.settings import ClientSettings
from conformance.gateway import campaign
from conformance.journal import Record, read_journal
from conformance.judging.verdicts import Verdict
from conformance.mock.behaviour import BUILT_IN, Behaviour
from conformance.model.traffic import Exchange, Response
from conformance.reports.comparing import ReportComparison, comparison_html
from conformance.reports.page import html
from conformance.reports.result import Result

CHECKOUT = Path(__file__).parents[2]
TOOLS = CHECKOUT / ".ci" / "browser"

pytestmark = pytest.mark.skipif(
    not (TOOLS / "node_modules" / ".ready").exists(), reason="no playwright-core (hint: make test-browser)"
)

# All pages in all ways on a busy machine; a browser that hangs must not hang the build.
PATIENCE_S = 600.0

FIVE_FAULTS = ("accepts-null", "result-code-as-number", "no-challenge", "status-code-as-string", "refuses-emoji")
CASES = 5_000
# What issue 6 allows for a page of so many cases.
USABLE_MS, MOST_BYTES = 2_000, 5_000_000
# What issue 16 allows for a page of six defects.
HIGHEST = 10_000
FLAWED = CHECKOUT / "tests" / "flawed_clients" / "driver.py"
# The grounds of the page.
LIGHT, DARK = "rgb(255, 255, 255)", "rgb(13, 17, 23)"
EVIL = "</script><script>alert(1)</script><img src=//x.invalid/ onerror=alert(1)><style>@import '//x.invalid/'</style>"
QUICK: dict[str, Any] = {
    "max_examples": 0,
    "seed": 7,
    "timeout_s": 0.5,
    "resend_window_s": 0.4,
    "advised_delay_s": 0.5,
    "patience_s": 5.0,
}


def of_gateway(directory: Path, *faults: str, **changes: Any) -> Result:
    """The result of a run against the built-in mock gateway with these faults."""
    behaviour: Behaviour = reduce(lambda changed, name: fault(name).change(changed), faults, BUILT_IN)
    return Result.of(read_journal(campaign.run(settings(directory, **changes), behaviour=behaviour)))


def of_six_defects(directory: Path) -> Result:
    """The result of a run against the gateway with six defects."""
    judge_six_defects(directory)
    return Result.of(read_journal(directory / "reports" / campaign.JOURNAL))


def of_client(directory: Path, *driver: str | Path) -> Result:
    """The result of a certification of what this driver speaks for."""
    command = shlex.join(map(str, (sys.executable, *driver)))
    return Result.of(read_journal(certification.certify(ClientSettings(driver=command, report_dir=directory, **QUICK))))


def of_evil() -> Result:
    """Of a gateway that says what a page must not obey, wherever its words may be."""
    finding = replace(WRONG_TYPE, message=EVIL, value=EVIL, request_id=EVIL, pointer=f"/{EVIL}")
    answer = Response(200, (("X", EVIL),), json.dumps({EVIL: EVIL}).encode())
    exchange = Exchange(1, CASE.id, 1, replace(REQUEST, body=EVIL.encode()), 1.0, 1.0, answer, None, 1.1)
    record = Record({**RECORD.settings, "subject_name": EVIL}, (replace(CASE, aspect=EVIL),), (exchange,))
    return result_of([verdict("RSP-03", "sms", Verdict.FAIL, finding)], record)


def script(path: str) -> ModuleType:
    """A script of the checkout as a module; its folder is no package."""
    spec = spec_from_file_location(Path(path).stem, CHECKOUT / path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def size_of(picture: Path) -> tuple[int, int]:
    """Width and height of a PNG, in pixels: they stand in its first chunk."""
    width, height = struct.unpack(">II", picture.read_bytes()[16:24])
    return width, height


def written(path: Path, content: bytes) -> Path:
    """The file with that content."""
    path.write_bytes(content)
    return path


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page of each kind, by its name."""
    folder = tmp_path_factory.mktemp("pages")
    results = {
        "conformant": of_gateway(folder / "1"),
        "faulty": of_gateway(folder / "2", *FIVE_FAULTS, max_examples=10),
        "client": of_client(folder / "3", starter(folder, "python")),
        "receiver": of_client(folder / "4", "-S", "-E", FLAWED, "applies-repeats"),
        "flawed": of_client(folder / "5", "-S", "-E", FLAWED, "trusts-http-status"),
        "thousands": of_gateway(folder / "6", *FIVE_FAULTS, max_examples=1200),
        "evil": of_evil(),
        "six": of_six_defects(folder),
        "load": Result.of(busy(slo={"answer-p99": 0.1, "errors": 0.01}, behind_s=1.24)),
    }
    made = {name: written(folder / f"{name}.html", html(result)) for name, result in results.items()}
    reports = results["conformant"].report, results["faulty"].report
    made["comparison"] = written(folder / "comparison.html", comparison_html(ReportComparison.of(*reports), *reports))
    return made


# Every page is looked at for barriers, complaints and requests; of the rest what shows the most.
EVERY_PAGE = ("conformant", "faulty", "client", "receiver", "flawed", "evil", "comparison", "six", "load")
LOOK = (
    *(("quality", name) for name in EVERY_PAGE),
    *(("links", name) for name in ("conformant", "faulty", "flawed", "receiver")),
    *((what, "faulty") for what in ("theme", "filters", "trail", "sent", "copying", "keys", "keyboard", "print")),
    *((what, "flawed") for what in ("trail", "keyboard", "print", "transcript", "unscripted")),
    *(("narrow", name) for name in EVERY_PAGE),
    ("unscripted", "faulty"),
    ("height", "six"),
    ("examples", "faulty"),
    ("speed", "thousands"),
)


@pytest.fixture(scope="module")
def seen(pages: dict[str, Path]) -> dict[str, Any]:
    """What was seen of all pages: what → page → observations."""
    told = {"pages": {name: str(path) for name, path in pages.items()}, "look": LOOK}
    screenshots = [folder] if (folder := os.environ.get("BROWSER_SCREENSHOTS")) else []
    done = subprocess.run(
        [shutil.which("node") or "node", TOOLS / "look.mjs", *screenshots],
        input=json.dumps(told),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    observations: dict[str, Any] = json.loads(done.stdout)
    return observations


def test_a_script_takes_the_picture_of_the_readme(tmp_path: Path) -> None:
    """Light and dark, of the size of those that are kept."""
    taken = script("docs/picture.py").take(tmp_path)

    assert ["report-light.png", "report-dark.png"] == [path.name for path in taken]
    assert [size_of(CHECKOUT / "docs" / "images" / path.name) for path in taken] == [size_of(path) for path in taken]


# --- Every page


@pytest.mark.parametrize("name", EVERY_PAGE)
def test_nobody_meets_a_barrier(seen: dict[str, Any], name: str) -> None:
    """What axe finds: nothing, in either colour scheme, with everything unfolded."""
    assert [] == seen["quality"][name]["violations"]


@pytest.mark.parametrize("name", EVERY_PAGE)
def test_nothing_is_asked_of_the_network(seen: dict[str, Any], name: str) -> None:
    """Not even by what a gateway says."""
    assert [] == seen["quality"][name]["requests"]


@pytest.mark.parametrize("name", EVERY_PAGE)
def test_the_browser_has_no_complaints(seen: dict[str, Any], name: str) -> None:
    """No error, no warning, no dialog."""
    assert [] == seen["quality"][name]["complaints"]


@pytest.mark.parametrize("name", EVERY_PAGE)
def test_a_telephone_shows_all_of_it(seen: dict[str, Any], name: str) -> None:
    """Nothing is wider than a narrow screen, but what scrolls within its own frame."""
    assert 0 == seen["narrow"][name]["wider"]


@pytest.mark.parametrize("name", ["conformant", "faulty", "flawed", "receiver"])
def test_every_link_leads_to_something_visible(seen: dict[str, Any], name: str) -> None:
    """Within the page; none leads out of it."""
    links = seen["links"][name]
    assert ([], []) == (links["dead"], links["outside"])
    assert links["followed"] > 0


# --- Colours


@pytest.mark.parametrize("name", EVERY_PAGE)
def test_the_page_is_light_or_dark_as_the_system_is(seen: dict[str, Any], name: str) -> None:
    """Without being told."""
    assert [LIGHT, DARK] == seen["quality"][name]["grounds"]


def test_a_button_changes_the_theme(seen: dict[str, Any]) -> None:
    """And says to which."""
    assert {"before": DARK, "label": "Light theme", "after": LIGHT} == seen["theme"]["faulty"]


# --- Filters


@pytest.mark.parametrize(
    ("name", "has"),
    [
        ("verdict", lambda row, value: value in row["verdicts"].split()),
        ("level", lambda row, value: value == row["level"]),
        ("actor", lambda row, value: value == row["actor"]),
        ("command", lambda row, value: value in row["commands"].split()),
    ],
)
def test_a_filter_leaves_what_it_names(
    seen: dict[str, Any], name: str, has: Callable[[dict[str, str], str], bool]
) -> None:
    """All of it and nothing else, unfolded, and it says how many they are."""
    found = seen["filters"]["faulty"]
    whole, left, value = found["all"]["rows"], found[name]["rows"], found[name]["value"]

    assert [row for row in whole if has(row, value)] == left
    assert (len(left), f"{len(left)} of {len(whole)} requirements") == (found[name]["visible"], found[name]["said"])
    assert left


def test_text_is_searched_for_in_titles_quotes_and_findings(seen: dict[str, Any]) -> None:
    """Whatever its case, and blanks around it."""
    found = seen["filters"]["faulty"]
    assert [row for row in found["all"]["rows"] if "result_code" in row["text"]] == found["text"]["rows"]
    assert 0 < len(found["text"]["rows"]) < len(found["all"]["rows"])


def test_an_area_without_requirements_is_not_shown(seen: dict[str, Any]) -> None:
    """Its heading would stand above nothing."""
    found = seen["filters"]["faulty"]
    assert 0 < found["text"]["areas"] < found["all"]["areas"]


def test_filters_work_together_and_stay_in_the_address(seen: dict[str, Any]) -> None:
    """So that what one found can be passed on."""
    both, reloaded = seen["filters"]["faulty"]["both"], seen["filters"]["faulty"]["reloaded"]
    assert all("PASS" in row["verdicts"] and "result_code" in row["text"] for row in both["rows"])
    assert "?verdict=PASS&text=result_code" == reloaded["address"]
    assert both == reloaded


def test_one_click_leaves_only_failures(seen: dict[str, Any]) -> None:
    """Among requirements and cases; the address keeps it."""
    only = seen["filters"]["faulty"]["only"]
    assert 0 < only["failed"] == len(only["rows"]) == only["visible"]
    assert ("?only=failures", 0) == (only["address"], only["cases"])


# --- From a problem to the evidence


@pytest.mark.parametrize("name", ["faulty", "flawed"])
def test_a_problem_leads_to_the_requirement_and_that_to_the_case(seen: dict[str, Any], name: str) -> None:
    """Each in view when one gets there, though it was folded."""
    trail = seen["trail"][name]
    assert (True, True) == (trail["requirement"]["inView"], trail["inView"])
    assert "failed" in trail["requirement"]["heading"]
    assert trail["case"] in trail["shown"]


def test_a_link_to_a_requirement_shows_it_in_spite_of_filters(seen: dict[str, Any]) -> None:
    """Who was sent it wants to see it."""
    assert {"open": True, "visible": True} == seen["sent"]["faulty"]


def test_copy_buttons_copy_what_stands_beside_them(seen: dict[str, Any]) -> None:
    """Each as curl, as a replay, and as an issue, and the command that repeats the run; screen readers are told."""
    copying = seen["copying"]["faulty"]
    assert copying["shown"] == copying["copied"]
    beginnings = {text.split()[0] for text in copying["copied"]}
    assert {"curl", "statum-conformance"} < beginnings
    assert all(text.startswith("**") for text in beginnings - {"curl", "statum-conformance"})
    assert "Copied" == copying["said"]


def test_without_a_clipboard_the_line_is_selected(seen: dict[str, Any]) -> None:
    """To be copied by hand."""
    copying = seen["copying"]["faulty"]
    assert copying["shown"][-1] == copying["selected"]


def test_a_case_that_passed_opens_like_one_that_failed(seen: dict[str, Any]) -> None:
    """With its messages; and the table of cases leads there."""
    examples = seen["examples"]["faulty"]
    assert [heading.split()[0] for heading in examples["failed"][:2]] == ["Request", "Answer"]
    assert [heading.split()[0] for heading in examples["passed"][:2]] == ["Request", "Answer"]
    assert examples["opened"]


def test_a_page_of_six_defects_is_not_endless(seen: dict[str, Any]) -> None:
    """As it opens."""
    assert seen["height"]["six"]["1280"] < HIGHEST


# --- By keyboard


@pytest.mark.parametrize("name", ["faulty", "flawed"])
def test_everything_is_reached_by_keyboard(seen: dict[str, Any], name: str) -> None:
    """All that can be clicked on, and all that scrolls."""
    keyboard = seen["keyboard"][name]
    assert [] == keyboard["missed"]
    assert keyboard["number"] > 0


@pytest.mark.parametrize("name", ["faulty", "flawed"])
def test_the_focus_is_always_seen(seen: dict[str, Any], name: str) -> None:
    """An outline of two pixels at least."""
    assert [] == seen["keyboard"][name]["unmarked"]


def test_the_first_key_skips_to_the_requirements(seen: dict[str, Any]) -> None:
    """And on to what filters it."""
    keys = seen["keys"]["faulty"]
    assert ("Skip to the requirements", "#matrix", "verdict") == (keys["first"], keys["skippedTo"], keys["afterSkip"])


def test_keys_do_what_clicks_do(seen: dict[str, Any]) -> None:
    """Choose, fold, unfold, follow, press."""
    keys = seen["keys"]["faulty"]
    assert ("FAIL", True, True, "dark") == (keys["chosen"], keys["folded"], keys["unfolded"], keys["theme"])
    assert keys["followed"] not in {"", "#matrix"}


# --- On paper, and without JavaScript


@pytest.mark.parametrize("name", ["faulty", "flawed"])
def test_what_fell_short_is_printed_whole(seen: dict[str, Any], name: str) -> None:
    """Unfolded, nothing cut off, on white, without buttons."""
    printed = seen["print"][name]
    assert (0, 0, [], 0) == (printed["folded"], printed["wider"], printed["cut"], printed["buttons"])
    assert LIGHT == printed["ground"]
    assert printed["findings"] > 0


def test_the_page_can_be_saved_as_pdf(seen: dict[str, Any]) -> None:
    """Of several sheets."""
    pdf = seen["print"]["faulty"]["pdf"]
    assert "%PDF-" == pdf["begins"]
    assert pdf["pages"] > 1


@pytest.mark.parametrize("name", ["faulty", "flawed"])
def test_without_javascript_all_can_be_read(seen: dict[str, Any], name: str) -> None:
    """Nothing is there that does not work; what is folded unfolds; links lead somewhere."""
    unscripted = seen["unscripted"][name]
    assert (0, True, []) == (unscripted["controls"], unscripted["unfolds"], unscripted["dead"])
    assert "non-conformant" in unscripted["text"]
    assert "How to mend it: " in unscripted["text"]


# --- A client's transcript


def test_the_transcript_shows_who_said_what(seen: dict[str, Any]) -> None:
    """The suite asks, the client sends, the witness answers, the driver tells; what failed stands beside it."""
    transcript = seen["transcript"]["flawed"]
    assert ["suite", "client", "witness", "driver"] == transcript["speakers"]
    assert "RDG-07" in transcript["beside"]


def test_the_transcript_is_filtered(seen: dict[str, Any]) -> None:
    """By what failed, and by words."""
    transcript = seen["transcript"]["flawed"]
    assert 0 < transcript["short"] < transcript["all"]
    assert f"{transcript['short']} of {transcript['all']} scenes" == transcript["said"]
    assert transcript["searched"]
    assert all("502" in title for title in transcript["searched"])


def test_scenes_with_failures_come_first(seen: dict[str, Any]) -> None:
    """The others are folded behind them."""
    first, *scenes, folded, title = seen["transcript"]["flawed"]["groups"]
    assert first.endswith("with failures")
    assert set(scenes) == {"scene short"}
    assert (True, True) == (folded.startswith(title), title.endswith("without failures"))


# --- Five thousand cases


def test_five_thousand_cases_are_usable_within_two_seconds(
    seen: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """From the address to a page that has answered to a filter; as many as the table of cases holds."""
    speed = seen["speed"]["thousands"]
    with capsys.disabled():
        sys.stdout.write(f"\n{speed['cases']}: usable after {speed['usable']} ms, searched in {speed['searched']} ms\n")
    assert speed["cases"].startswith(f"{CASES} of {CASES} cases")
    assert min(speed["usable"]) < USABLE_MS


def test_five_thousand_cases_make_a_page_of_less_than_five_megabytes(
    pages: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a gateway with five faults."""
    size = pages["thousands"].stat().st_size
    with capsys.disabled():
        sys.stdout.write(f"\n{size:,} bytes\n")
    assert size < MOST_BYTES
