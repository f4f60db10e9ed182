"""Other tools' labels as a COCO file. Training reads COCO files only."""
