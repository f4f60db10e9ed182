"""Who is in the images: skeletons, categories, COCO files in, arrays of persons out. No pixels."""
