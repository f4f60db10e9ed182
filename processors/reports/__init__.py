"""Pages, charts and pictures for people. Numbers are made in evaluation/ and datasets/doctor/."""
