"""`info --backbones`: names, cost and licences of timm's networks."""
import pytest

from processors.jobs.backbones import print_backbones

pytest.importorskip("timm")


def test_a_line_for_each_name_with_cost_and_licence(capsys):
    print_backbones("mobilenetv4_conv_small.e*", (192, 256))
    head, columns, *lines = capsys.readouterr().out.splitlines()
    assert "at 192x256" in head and columns.startswith("model.name")
    assert len(lines) == 3
    for line in lines:
        name, *_ = line.split()
        assert name.startswith("mobilenetv4_conv_small.e")
        assert line.split()[1:] == ["1.26", "M", "0.180", "32", "apache-2.0"]


def test_what_is_of_no_use_is_said(capsys):
    print_backbones("vit_small_patch14_dinov2*", (192, 256))
    assert "features of 1/14" in capsys.readouterr().out


def test_a_pattern_of_nothing_is_refused():
    with pytest.raises(ValueError, match="--backbones zz.* no such name"):
        print_backbones("zz*", (192, 256))


@pytest.mark.parametrize("pattern, words", [
    ("inception_v3.tf*", "features of (2048, 6, 4) at codec.input_size [192, 256]"),
    ("efficientformer_l1*", "does not run at codec.input_size [192, 256]"),
    ("efficientformer_l1*", ": set codec.input_size to what it was made for, [224, 224], or")])
def test_what_does_not_run_at_this_size_is_said(capsys, pattern, words):
    print_backbones(pattern, (192, 256))
    row = capsys.readouterr().out.splitlines()[2]
    assert f"left out: model.name {pattern.partition('.')[0].rstrip('*')} " in row and words in row
    assert row.endswith("  apache-2.0") and ": choose another" not in row
