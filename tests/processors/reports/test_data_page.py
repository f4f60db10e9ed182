"""The page of the doctor: no word of a data set becomes HTML."""
from types import SimpleNamespace

from datasets.doctor.finding import Finding
from processors.reports.html_page import write_page

NASTY = "<script>alert(1)</script>\"'><img src=x onerror=y>"
GUARDED = "&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&gt;&lt;img src=x onerror=y&gt;"


def test_names_sentences_and_reasons_are_escaped(tmp_path):
    finding = Finding(f"sentence {NASTY}", f"cost {NASTY}", 9, (f"example {NASTY}",),
                      where=f"set {NASTY}")
    diagnosis = SimpleNamespace(verdict=f"verdict {NASTY}", sets=(f"line {NASTY}",),
                                findings=(finding,), repeated=f"sigma {NASTY}")
    left_out = {"the upper bound": f"bound {NASTY}", "training.jpg": f"sheet {NASTY}"}
    write_page(tmp_path / "a.html", "data_page.html", title=f"title {NASTY}", diagnosis=diagnosis,
               bound=None, protocol=[], left_out=left_out,
               pictures=dict.fromkeys(("sizes.png", "visibility.png", "poses.png"), b"\x89PNG"))
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    for place in ("set", "sentence", "Cost", "example", "verdict", "line", "sigma", "bound",
                  "sheet", "title"):
        assert f"{place} {GUARDED}" in page, place
    assert "<script" not in page and "<img src" not in page
    assert page.count("data:image/png;base64,") == 3 and page.count("Left out: ") == 2
