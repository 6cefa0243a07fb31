"""scGPT's published checkpoints."""

from __future__ import annotations

from scregnet.encoders.weights.checkpoints import Checkpoint, WeightFile


def _on_drive(folder: str) -> Checkpoint:
    """Return a checkpoint that its authors keep in a folder of Google Drive, without hashes."""
    url = f"https://drive.google.com/drive/folders/{folder}"
    return Checkpoint(
        hub_id="",
        revision="",
        dimension=512,
        n_layers=12,
        files=(),
        source=(
            "The code is under MIT, and no other terms are published for the weights.\n"
            f"  Download args.json, best_model.pt and vocab.json from {url}\n"
            "Put them into one folder and name it with weights=."
        ),
        url=url,
    )


# By variant. The hub's copy of the first is that of the authors' laboratory, and the same bytes as
# in their folder.
CHECKPOINTS: dict[str, Checkpoint] = {
    "whole-human": Checkpoint(
        hub_id="wanglab/scGPT-human",
        revision="a24c237737a40f3720f75abb555489e9fe753be6",
        dimension=512,
        n_layers=12,
        files=(
            WeightFile(
                "config",
                "args.json",
                "c18e075e018140cb8b2d9029387b9de26607a5ce6a8ccabd6ead70cd76b95d60",
                1300,
            ),
            WeightFile(
                "weights",
                "best_model.pt",
                "6cb5d451ab5c4b33eb673adbe4fddc61d2389df1b89b7651a9fe2e557572b922",
                205385258,
            ),
            WeightFile(
                "tokens",
                "vocab.json",
                "acca93d114ca62c3f0f50debbd23e8c87f0714f4737764454f6b2b13f2e8580f",
                1317639,
            ),
        ),
        source=(
            "  3. The same files are in the authors' folder\n"
            "     https://drive.google.com/drive/folders/1oWh_-ZRdhtoGQ2Fw24HP41FgLoomVo-y\n"
            "The code is under MIT, and no other terms are published for the weights."
        ),
    ),
    "continual-pretrained": _on_drive("1_GROJTzXiAV8HB4imruOTk6PEGuNOcgB"),
    "brain": _on_drive("1vf1ijfQSk7rGdDGpBntR5bi5g6gNt-Gx"),
    "blood": _on_drive("1kkug5C7NjvXIwQGGaGoqXTk_Lb_pDrBU"),
    "heart": _on_drive("1GcgXrd7apn6y4Ze_iSCncskX3UsWPY2r"),
    "lung": _on_drive("16A1DJ30PT6bodt4bWLa4hpS7gbWZQFBG"),
    "kidney": _on_drive("1S-1AR65DF120kNFpEbWCvRHPhpkGK3kK"),
    "pan-cancer": _on_drive("13QzLHilYUd0v3HTwa_9n4G4yEF-hdkqa"),
}
