"""A figure that a notebook shows as an image."""

import io

from matplotlib.figure import Figure


class ShownFigure(Figure):
    """A figure that is independent of pyplot, and still an image in a notebook.

    Notebooks know how to show a figure of Matplotlib only after pyplot was imported.
    """

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()
