"""Lines explained by fixed pictures of letters, without a network and without transcriptions.

In print a letter looks nearly the same each time. So pieces of ink that look alike can be gathered
into a set of templates, and a line can be explained by the row of templates that leaves the least
ink unexplained (Kopec and Chou, "Document image decoding using Markov source models", 1994). It
takes a minute or two. The typewriter takes it as its first teacher where no transcription is
known, and it is a baseline of its own.

    darkness.py    a line as one number per pixel: 0 paper, 1 ink
    segments.py    the pieces of ink of a line that stand apart
    grouping.py    pieces that look alike: the first templates
    templates.py   Templates: pictures and how often they were placed
    placing.py     the best row of templates for every line
    learning.py    all of it in turn
"""
