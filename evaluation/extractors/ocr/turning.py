"""Turning of lines that seem to be upside down. A module of its own, because it imports rapidocr, which is heavy."""

from typing import Any

from rapidocr import RapidOCR
from rapidocr.ch_ppocr_cls import TextClsOutput


class TurningReader(RapidOCR):
    """rapidocr, except that it turns a line by 180° only if it reads the turned line with more confidence.

    The network that finds lines upside down errs on some upright ones, such as コーヒー. Only the lines that it finds
    are read both ways, so that all others cost nothing more.
    """

    def cls_and_rotate(self, img: list[Any]) -> tuple[list[Any], TextClsOutput]:
        turned, found = super().cls_and_rotate(img)
        limit = self.cfg.Cls.cls_thresh
        suspects = [i for i, (label, score) in enumerate(found.cls_res or ()) if "180" in label and score > limit]
        if suspects:
            both_ways = [image for i in suspects for image in (img[i], turned[i])]
            scores = self.recognize_txt(both_ways).scores or ()
            for i, upright, upside_down in zip(suspects, scores[::2], scores[1::2], strict=True):
                if upright >= upside_down:
                    turned[i] = img[i]
        return turned, found
