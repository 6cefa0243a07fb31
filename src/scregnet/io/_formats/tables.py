"""Tables: all columns of the frame, or those of pySCENIC, CellOracle and SCENIC+; gene sets."""

from __future__ import annotations

import io
import re

import numpy as np
import pandas as pd

from scregnet._genes.files.sets import UNSIGNED
from scregnet.io._formats.graphs import check_text


def text(frame: pd.DataFrame, separator: str) -> bytes:
    """Return a frame as csv or tsv."""
    return frame.to_csv(sep=separator, index=False, lineterminator="\n").encode()


def parquet(frame: pd.DataFrame) -> bytes:
    """Return a frame as a parquet file; its types stay."""
    buffer = io.BytesIO()
    try:
        frame.to_parquet(buffer, index=False)
    except ImportError as error:
        msg = "path: parquet files need pyarrow: pip install pyarrow."
        raise ImportError(msg) from error
    return buffer.getvalue()


def _strength(frame: pd.DataFrame) -> np.ndarray:
    return frame["score" if "score" in frame else "weight"].to_numpy()


def _signs(frame: pd.DataFrame) -> np.ndarray:
    """Return 1, -1 or 0 (unknown) for each link."""
    if "sign" not in frame:
        return np.zeros(len(frame), np.int8)
    return np.nan_to_num(np.sign(frame["sign"].to_numpy(np.float64))).astype(np.int8)


def _ends(frame: pd.DataFrame, source: str, target: str) -> pd.DataFrame:
    columns = {source: frame["source"].astype(object), target: frame["target"].astype(object)}
    first = {"cluster": frame["group"]} if "group" in frame else {}
    return pd.DataFrame({**first, **columns})


def pyscenic(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the adjacencies of pySCENIC and arboreto."""
    return _ends(frame, "TF", "target").assign(importance=_strength(frame))


def celloracle(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the links of CellOracle; a link of unknown sign counts as one that activates."""
    strength, signs = _strength(frame), _signs(frame)
    links = _ends(frame, "source", "target").assign(
        coef_mean=np.where(signs < 0, -strength, strength), coef_abs=strength
    )
    if "q" in frame:
        with np.errstate(divide="ignore"):
            logp = np.minimum(-np.log10(frame["q"].to_numpy(np.float64)), 300)
        links["p"], links["-logp"] = frame["q"], logp
    return links


def scenicplus(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the links in the columns of SCENIC+'s table of eRegulons, which has regions too."""
    signs = _signs(frame)
    mark = np.array(["?", "+", "-"], dtype=object)[signs]
    links = _ends(frame, "TF", "Gene").assign(
        importance_TF2G=_strength(frame), regulation=signs, is_extended=False
    )
    return links.assign(
        eRegulon_name=[f"{tf}_{m}" for tf, m in zip(links["TF"], mark, strict=True)]
    )


def gmt(frame: pd.DataFrame) -> bytes:
    """Return sets ``TF(+)`` and ``TF(-)`` as pySCENIC's, ``TF`` of targets of unknown sign."""
    names = [*frame["source"].astype(str), *frame["target"].astype(str)]
    check_text(names, re.compile("[\t\r\n]"), "GMT")
    kinds: dict[object, tuple[str, str]] = {
        1: ("(+)", "scregnet regulon"),
        -1: ("(-)", "scregnet regulon"),
        0: ("", UNSIGNED),
    }
    sets = frame["target"].astype(str).groupby([frame["source"].astype(str), _signs(frame)])
    lines = []
    for (tf, sign), genes in sets:
        ending, description = kinds[sign]
        lines.append("\t".join([f"{tf}{ending}", description, *genes]))
    return "".join(f"{line}\n" for line in lines).encode()
