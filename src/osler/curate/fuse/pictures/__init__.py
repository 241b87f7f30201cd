"""Planes, slides, videos and texts as datasets store them, checked while they are read.

What the layouts of pictures share: which files there are (``listing``, ``index``), settings
(``options``), what a file name tells (``template``), tables, JSON, yaml and XML (``documents``),
images and their EXIF turns (``planes``), boxes, polygons and run lengths (``shapes``), one object
of a COCO file (``objects``) or a YOLO row (``yolo_rows``), masks and their classes (``masks``,
``dictionary``), outlines on slides (``outlines``), slides (``slide``, ``slide_files``), arrays in
NPZ (``stacks``), videos (``film``, ``traces``), conventions of label tables (``conventions``),
questions and answers (``questions``), and patients or pictures in two splits (``leaks``).

Files are hostile: sizes are capped, no name leaves the dataset, XML has no entities, nothing is
unpickled or executed. What is wrong becomes a ``LayoutError`` with its code.
"""
