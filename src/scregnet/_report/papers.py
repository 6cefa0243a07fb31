"""The papers that a report can name: the same as in the references of the documentation."""

from __future__ import annotations

from typing import NamedTuple


class Paper(NamedTuple):
    """A paper as it is shown; ``link`` is empty where it has no address that lasts."""

    authors: str
    year: str
    title: str
    where: str
    link: str


PAPERS = {
    "kommu2025scregnet": Paper(
        "Kommu et al.",
        "2025",
        "Prediction of gene regulatory connections with joint single-cell foundation models and "
        "graph-based learning",
        "bioRxiv",
        "https://doi.org/10.1101/2024.12.16.628715",
    ),
    "kommu2024sctransnet": Paper(
        "Kommu et al.",
        "2024",
        "Gene regulatory network inference from pre-trained single-cell transcriptomics "
        "transformer with joint graph learning",
        "arXiv",
        "https://arxiv.org/abs/2407.18181",
    ),
    "chen2022genelink": Paper(
        "Chen and Liu",
        "2022",
        "Graph attention network for link prediction of gene regulations from single-cell "
        "RNA-sequencing data",
        "Bioinformatics 38, 4522–4529",
        "https://doi.org/10.1093/bioinformatics/btac559",
    ),
    "yuan2019cnnc": Paper(
        "Yuan and Bar-Joseph",
        "2019",
        "Deep learning for inferring gene relationships from single-cell expression data",
        "Proceedings of the National Academy of Sciences 116, 27151–27158",
        "https://doi.org/10.1073/pnas.1911536116",
    ),
    "chen2021deepdrim": Paper(
        "Chen et al.",
        "2021",
        "DeepDRIM: a deep neural network to reconstruct cell-type-specific gene regulatory "
        "network using single-cell RNA-seq data",
        "Briefings in Bioinformatics 22, bbab325",
        "https://doi.org/10.1093/bib/bbab325",
    ),
    "zhao2022dgrns": Paper(
        "Zhao et al.",
        "2022",
        "A hybrid deep learning framework for gene regulatory network inference from single-cell "
        "transcriptomic data",
        "Briefings in Bioinformatics 23, bbab568",
        "https://doi.org/10.1093/bib/bbab568",
    ),
    "shu2022grntransformer": Paper(
        "Shu et al.",
        "2022",
        "Boosting single-cell gene regulatory network reconstruction via bulk-cell "
        "transcriptomic data",
        "Briefings in Bioinformatics 23, bbac389",
        "https://doi.org/10.1093/bib/bbac389",
    ),
    "kc2019gne": Paper(
        "Kc et al.",
        "2019",
        "GNE: a deep learning framework for gene network inference by aggregating biological "
        "information",
        "BMC Systems Biology 13, 38",
        "https://doi.org/10.1186/s12918-019-0694-y",
    ),
    "mao2023gnnlink": Paper(
        "Mao et al.",
        "2023",
        "Predicting gene regulatory links from single-cell RNA-seq data using graph neural "
        "networks",
        "Briefings in Bioinformatics 24, bbad414",
        "https://doi.org/10.1093/bib/bbad414",
    ),
    "moerman2019grnboost2": Paper(
        "Moerman et al.",
        "2019",
        "GRNBoost2 and Arboreto: efficient and scalable inference of gene regulatory networks",
        "Bioinformatics 35, 2159–2161",
        "https://doi.org/10.1093/bioinformatics/bty916",
    ),
    "huynhthu2010genie3": Paper(
        "Huynh-Thu et al.",
        "2010",
        "Inferring regulatory networks from expression data using tree-based methods",
        "PLoS ONE 5, e12776",
        "https://doi.org/10.1371/journal.pone.0012776",
    ),
    "matsumoto2017scode": Paper(
        "Matsumoto et al.",
        "2017",
        "SCODE: an efficient regulatory network inference algorithm from single-cell RNA-Seq "
        "during differentiation",
        "Bioinformatics 33, 2314–2321",
        "https://doi.org/10.1093/bioinformatics/btx194",
    ),
    "chan2017pidc": Paper(
        "Chan et al.",
        "2017",
        "Gene regulatory network inference from single-cell data using multivariate information "
        "measures",
        "Cell Systems 5, 251–267",
        "https://doi.org/10.1016/j.cels.2017.08.014",
    ),
    "theodoris2023geneformer": Paper(
        "Theodoris et al.",
        "2023",
        "Transfer learning enables predictions in network biology",
        "Nature 618, 616–624",
        "https://doi.org/10.1038/s41586-023-06139-9",
    ),
    "yang2022scbert": Paper(
        "Yang et al.",
        "2022",
        "scBERT as a large-scale pretrained deep language model for cell type annotation of "
        "single-cell RNA-seq data",
        "Nature Machine Intelligence 4, 852–866",
        "https://doi.org/10.1038/s42256-022-00534-z",
    ),
    "hao2024scfoundation": Paper(
        "Hao et al.",
        "2024",
        "Large-scale foundation model on single-cell transcriptomics",
        "Nature Methods 21, 1481–1491",
        "https://doi.org/10.1038/s41592-024-02305-7",
    ),
    "cui2024scgpt": Paper(
        "Cui et al.",
        "2024",
        "scGPT: toward building a foundation model for single-cell multi-omics using generative AI",
        "Nature Methods 21, 1470–1480",
        "https://doi.org/10.1038/s41592-024-02201-0",
    ),
    "elkan2008": Paper(
        "Elkan and Noto",
        "2008",
        "Learning classifiers from only positive and unlabeled data",
        "Proceedings of the 14th ACM SIGKDD International Conference on Knowledge Discovery and "
        "Data Mining, 213–220",
        "https://doi.org/10.1145/1401890.1401920",
    ),
    "badia2022decoupler": Paper(
        "Badia-i-Mompel et al.",
        "2022",
        "decoupleR: ensemble of computational methods to infer biological activities from omics "
        "data",
        "Bioinformatics Advances 2, vbac016",
        "https://doi.org/10.1093/bioadv/vbac016",
    ),
    "pratapa2020beeline": Paper(
        "Pratapa et al.",
        "2020",
        "Benchmarking algorithms for gene regulatory network inference from single-cell "
        "transcriptomic data",
        "Nature Methods 17, 147–154",
        "https://doi.org/10.1038/s41592-019-0690-6",
    ),
    "virshup2023scverse": Paper(
        "Virshup et al.",
        "2023",
        "The scverse project provides a computational ecosystem for single-cell omics data "
        "analysis",
        "Nature Biotechnology 41, 604–606",
        "https://doi.org/10.1038/s41587-023-01733-8",
    ),
}
"""Papers by the key of :attr:`scregnet.links.LinkMethod.citation` and of ``references.bib``."""
