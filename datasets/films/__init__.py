"""Labels of tools that label frames of films, as a COCO file, and the frames as pictures."""
