"""The twelve published sets of Table 1: where they come from, what lies inside, and on which terms."""

from __future__ import annotations

from benchmark.sources.bibtex import BIBTEX
from benchmark.sources.cards import SourceCard, SourceFile

_NO_LICENCE = "research use; no licence stated by the authors"

PUBLISHED = (
    SourceCard(
        name="gopro",
        target="benchmark.sources.gopro:read",
        title="GoPro",
        degradations=("motion-blurry",),
        counts={"train": {"motion-blurry": 2103}, "test": {"motion-blurry": 1111}},
        licence="CC BY 4.0",
        spdx="CC-BY-4.0",
        redistribution=True,
        citation="Nah et al., Deep Multi-Scale Convolutional Neural Network for Dynamic Scene Deblurring, CVPR 2017",
        bibtex=BIBTEX["gopro"],
        obtain="https://seungjunnah.github.io/Datasets/gopro (GOPRO_Large.zip)",
        layout="{train,test}/<sequence>/{blur,sharp}/*.png (blur_gamma is not used)",
        files=(SourceFile("GOPRO_Large.zip", page="https://seungjunnah.github.io/Datasets/gopro", note="both splits"),),
    ),
    SourceCard(
        name="reside6k",
        target="benchmark.sources.reside6k:read",
        title="RESIDE-6k",
        degradations=("hazy",),
        counts={"train": {"hazy": 6000}, "test": {"hazy": 1000}},
        licence=_NO_LICENCE,
        citation="Li et al., Benchmarking Single-Image Dehazing and Beyond, IEEE TIP 2019; the selection is that of "
        "Song et al., Vision Transformers for Single Image Dehazing, IEEE TIP 2023",
        bibtex=BIBTEX["reside6k"],
        obtain="https://github.com/IDKiro/DehazeFormer (RESIDE-6K)",
        layout="{train,test}/{hazy,GT}/* with equal names",
        files=(
            SourceFile(
                "RESIDE-6K*",
                page="https://github.com/IDKiro/DehazeFormer",
                note="both splits; a shared folder, so its archive may come in parts",
            ),
        ),
    ),
    SourceCard(
        name="div2k",
        target="benchmark.sources.div2k:read",
        title="DIV2K",
        degradations=("jpeg-compressed", "noisy"),
        counts={"train": {"jpeg-compressed": 900, "noisy": 900}},
        licence="academic research only; the photos belong to their owners",
        citation="Agustsson and Timofte, NTIRE 2017 Challenge on Single Image Super-Resolution: Dataset and Study, "
        "CVPRW 2017",
        bibtex=BIBTEX["div2k"],
        obtain="https://data.vision.ee.ethz.ch/cvl/DIV2K/ (DIV2K_train_HR.zip and DIV2K_valid_HR.zip)",
        layout="DIV2K_train_HR/0001.png to 0800.png and DIV2K_valid_HR/0801.png to 0900.png",
        files=(
            SourceFile(
                "DIV2K_train_HR.zip",
                size=3_530_603_713,
                sha256="9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335",
                page="https://data.vision.ee.ethz.ch/cvl/DIV2K/",
                note="800 photos",
            ),
            SourceFile(
                "DIV2K_valid_HR.zip",
                size=448_993_893,
                sha256="20dd31fd84d777bc1cf5d6b7654a3f569c0aec74458ae094122ad1d0489900fc",
                page="https://data.vision.ee.ethz.ch/cvl/DIV2K/",
                note="100 photos, for training here",
            ),
            SourceFile("DIV2K.tar", page="https://cv.snu.ac.kr/research/EDSR/DIV2K.tar", note="in place of the two"),
        ),
        options=("seed",),
    ),
    SourceCard(
        name="flickr2k",
        target="benchmark.sources.flickr2k:read",
        title="Flickr2K",
        degradations=("jpeg-compressed", "noisy"),
        counts={"train": {"jpeg-compressed": 2650, "noisy": 2650}},
        licence="research use; the photos belong to their owners on Flickr",
        citation="Lim et al., Enhanced Deep Residual Networks for Single Image Super-Resolution, CVPRW 2017",
        bibtex=BIBTEX["flickr2k"],
        obtain="https://cv.snu.ac.kr/research/EDSR/Flickr2K.tar",
        layout="Flickr2K_HR/000001.png to 002650.png (Flickr2K_LR_* is not used)",
        files=(
            SourceFile("Flickr2K.tar", page="https://cv.snu.ac.kr/research/EDSR/Flickr2K.tar"),
            SourceFile("Flickr2K.zip", note="a mirror with the large images only", unpacked=("Flickr2K_HR",)),
        ),
        options=("seed",),
    ),
    SourceCard(
        name="live1",
        target="benchmark.sources.live1:read",
        title="LIVE1",
        degradations=("jpeg-compressed",),
        counts={"test": {"jpeg-compressed": 29}},
        licence="free to copy and distribute as long as the copyright notice of the University of Texas at Austin goes "
        "with it; some photos come from a commercial CD",
        citation="Sheikh et al., A Statistical Evaluation of Recent Full Reference Image Quality Assessment "
        "Algorithms, IEEE TIP 2006",
        bibtex=BIBTEX["live1"],
        obtain="https://live.ece.utexas.edu/research/quality/subjective.htm (databaserelease2.zip)",
        layout="refimgs/*.bmp, the 29 reference images; or a folder with nothing but these",
        files=(
            SourceFile(
                "databaserelease2.zip",
                page="https://live.ece.utexas.edu/research/quality/subjective.htm",
                note="only refimgs is used",
            ),
            SourceFile("LIVE1*", note="the reference images alone, as many test suites carry them"),
        ),
        options=("seed",),
    ),
    SourceCard(
        name="lol",
        target="benchmark.sources.lol:read",
        title="LOL",
        degradations=("low-light",),
        counts={"train": {"low-light": 485}, "test": {"low-light": 15}},
        licence=_NO_LICENCE,
        citation="Wei et al., Deep Retinex Decomposition for Low-Light Enhancement, BMVC 2018",
        bibtex=BIBTEX["lol"],
        obtain="https://daooshee.github.io/BMVC2018website/ (LOLdataset.zip)",
        layout="our485/{low,high} and eval15/{low,high}; or {LQ,GT} or {low,high} alone for the test split",
        files=(
            SourceFile(
                "LOLdataset.zip",
                page="https://daooshee.github.io/BMVC2018website/",
                note="both splits",
                unpacked=("our485", "eval15"),
            ),
        ),
    ),
    SourceCard(
        name="cbsd68",
        target="benchmark.sources.cbsd68:read",
        title="CBSD68",
        degradations=("noisy",),
        counts={"test": {"noisy": 68}},
        licence="non-commercial research and education (Berkeley segmentation data)",
        citation="Martin et al., A Database of Human Segmented Natural Images and its Application to Evaluating "
        "Segmentation Algorithms and Measuring Ecological Statistics, ICCV 2001",
        bibtex=BIBTEX["cbsd68"],
        obtain="https://github.com/clausmichele/CBSD68-dataset (CBSD68)",
        layout="original_png/*.png (noisy* is not used); or a folder with nothing but the 68 images",
        files=(
            SourceFile(
                "CBSD68*", page="https://github.com/clausmichele/CBSD68-dataset", note="only original_png is used"
            ),
        ),
        options=("seed",),
    ),
    SourceCard(
        name="raindrop",
        target="benchmark.sources.raindrop:read",
        title="RainDrop",
        degradations=("raindrop",),
        counts={"train": {"raindrop": 861}, "test": {"raindrop": 58}},
        licence=_NO_LICENCE,
        citation="Qian et al., Attentive Generative Adversarial Network for Raindrop Removal from a Single Image, "
        "CVPR 2018",
        bibtex=BIBTEX["raindrop"],
        obtain="https://github.com/rui1996/DeRaindrop (train.zip and test_a.zip)",
        layout="train/{data,gt} and test_a/{data,gt} with <n>_rain beside <n>_clean (test_b is not used)",
        files=(
            SourceFile("train.zip", page="https://github.com/rui1996/DeRaindrop", holds="data/*_rain.*"),
            SourceFile("test_a.zip", page="https://github.com/rui1996/DeRaindrop", holds="data/*_rain.*"),
        ),
    ),
    SourceCard(
        name="rain100h",
        target="benchmark.sources.rain100h:read",
        title="Rain100H",
        degradations=("rainy",),
        counts={"train": {"rainy": 1800}, "test": {"rainy": 100}},
        licence=_NO_LICENCE,
        citation="Yang et al., Deep Joint Rain Detection and Removal from a Single Image, CVPR 2017",
        bibtex=BIBTEX["rain100h"],
        obtain="https://www.icst.pku.edu.cn/struct/Projects/joint_rain_removal.html (RainTrainH.zip and Rain100H.zip)",
        layout="RainTrainH and Rain100H with norain-<n>.png for each rain-<n>.png; or {LQ,GT} alone for the test split",
        files=(
            SourceFile("RainTrainH.zip", page="http://www.icst.pku.edu.cn/struct/att/RainTrainH.zip", note="train"),
            SourceFile("Rain100H.zip", page="http://www.icst.pku.edu.cn/struct/att/Rain100H.zip", note="test"),
            SourceFile("rain_data_train_Heavy*", note="the same pairs under later names"),
            SourceFile(
                "rain_data_test_Heavy*", note="a later test set of 200 pairs: its count differs from the paper's"
            ),
        ),
    ),
    SourceCard(
        name="srd",
        target="benchmark.sources.srd:read",
        title="SRD",
        degradations=("shadowed",),
        counts={"train": {"shadowed": 2680}, "test": {"shadowed": 408}},
        licence=_NO_LICENCE,
        citation="Qu et al., DeshadowNet: A Multi-Context Embedding Deep Network for Shadow Removal, CVPR 2017",
        bibtex=BIBTEX["srd"],
        obtain="https://github.com/jinyeying/DC-ShadowNet-Hard-and-Soft-Shadow-Removal (SRD train and test)",
        layout="a train and a test folder, each with shadow/<name> and shadow_free/<name>_no_shadow or <name>_free",
        files=(
            SourceFile(
                "SRD*",
                page="https://github.com/jinyeying/DC-ShadowNet-Hard-and-Soft-Shadow-Removal",
                note="two downloads, train and test; how they are called differs from mirror to mirror",
            ),
        ),
    ),
    SourceCard(
        name="snow100k",
        target="benchmark.sources.snow100k:read",
        title="Snow100K",
        degradations=("snowy",),
        counts={"train": {"snowy": 1872}, "test": {"snowy": 601}},
        licence=_NO_LICENCE,
        citation="Liu et al., DesnowNet: Context-Aware Deep Network for Snow Removal, IEEE TIP 2018",
        bibtex=BIBTEX["snow100k"],
        obtain="https://sites.google.com/view/yunfuliu/desnownet (Snow100K-training.tar.gz, Snow100K-testset.tar.gz)",
        layout="Snow100K-training/{synthetic,gt} and Snow100K-L/{synthetic,gt}, with beautiful_smile in the names of "
        "the paper's subset",
        files=(
            SourceFile(
                "Snow100K-training.tar.gz",
                page="https://desnownet.s3.amazonaws.com/dataset_synthetic/train/Snow100K-training.tar.gz",
            ),
            SourceFile(
                "Snow100K-testset.tar.gz",
                page="https://desnownet.s3.amazonaws.com/dataset_synthetic/test/Snow100K-testset.tar.gz",
                note="only Snow100K-L is used",
                unpacked=("media", "Snow100K-L"),
            ),
        ),
        options=("subset",),
    ),
    SourceCard(
        name="celebahq",
        target="benchmark.sources.celebahq:read",
        title="CelebA-HQ-256",
        degradations=("uncompleted",),
        counts={"train": {"uncompleted": 29900}, "test": {"uncompleted": 100}},
        licence="non-commercial research (CelebA agreement, which forbids passing the images on)",
        citation="Karras et al., Progressive Growing of GANs for Improved Quality, Stability, and Variation, ICLR 2018",
        bibtex=BIBTEX["celebahq"],
        obtain="https://github.com/Algolzw/daclip-uir (README, dataset links: CelebaHQ-256)",
        layout="30,000 face images of 256x256 pixels, and beside them, for the paper's own holes, its 100 masks "
        "(scripts/inpainting_masks) in a folder with mask in its name",
        files=(
            SourceFile(
                "celeba*hq*256*",
                page="https://github.com/Algolzw/daclip-uir",
                note="30,000 images; the first 100 are the test split",
            ),
            SourceFile(
                "inpainting_masks*",
                page="https://github.com/Algolzw/daclip-uir",
                note="the paper's 100 masks",
                alone=False,
            ),
        ),
        options=("seed",),
    ),
)
"""In the order of Table 1: the training sets of a type before its test set."""
