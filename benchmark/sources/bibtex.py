"""BibTeX entries of the published sets."""

from __future__ import annotations

BIBTEX = {
    "gopro": """@inproceedings{nah2017deep,
  author = {Nah, Seungjun and Kim, Tae Hyun and Lee, Kyoung Mu},
  title = {Deep Multi-Scale Convolutional Neural Network for Dynamic Scene Deblurring},
  booktitle = {CVPR},
  year = {2017}
}""",
    "reside6k": """@article{li2019benchmarking,
  author = {Li, Boyi and Ren, Wenqi and Fu, Dengpan and Tao, Dacheng and Feng, Dan and Zeng, Wenjun and
            Wang, Zhangyang},
  title = {Benchmarking Single-Image Dehazing and Beyond},
  journal = {IEEE Transactions on Image Processing},
  volume = {28},
  number = {1},
  pages = {492--505},
  year = {2019}
}""",
    "div2k": """@inproceedings{agustsson2017ntire,
  author = {Agustsson, Eirikur and Timofte, Radu},
  title = {{NTIRE} 2017 Challenge on Single Image Super-Resolution: Dataset and Study},
  booktitle = {CVPR Workshops},
  year = {2017}
}""",
    "flickr2k": """@inproceedings{lim2017enhanced,
  author = {Lim, Bee and Son, Sanghyun and Kim, Heewon and Nah, Seungjun and Lee, Kyoung Mu},
  title = {Enhanced Deep Residual Networks for Single Image Super-Resolution},
  booktitle = {CVPR Workshops},
  year = {2017}
}""",
    "live1": """@article{sheikh2006statistical,
  author = {Sheikh, Hamid R. and Sabir, Muhammad F. and Bovik, Alan C.},
  title = {A Statistical Evaluation of Recent Full Reference Image Quality Assessment Algorithms},
  journal = {IEEE Transactions on Image Processing},
  volume = {15},
  number = {11},
  pages = {3440--3451},
  year = {2006}
}""",
    "lol": """@inproceedings{wei2018deep,
  author = {Wei, Chen and Wang, Wenjing and Yang, Wenhan and Liu, Jiaying},
  title = {Deep Retinex Decomposition for Low-Light Enhancement},
  booktitle = {BMVC},
  year = {2018}
}""",
    "cbsd68": """@inproceedings{martin2001database,
  author = {Martin, David and Fowlkes, Charless and Tal, Doron and Malik, Jitendra},
  title = {A Database of Human Segmented Natural Images and its Application to Evaluating Segmentation Algorithms and
           Measuring Ecological Statistics},
  booktitle = {ICCV},
  year = {2001}
}""",
    "raindrop": """@inproceedings{qian2018attentive,
  author = {Qian, Rui and Tan, Robby T. and Yang, Wenhan and Su, Jiajun and Liu, Jiaying},
  title = {Attentive Generative Adversarial Network for Raindrop Removal from a Single Image},
  booktitle = {CVPR},
  year = {2018}
}""",
    "rain100h": """@inproceedings{yang2017deep,
  author = {Yang, Wenhan and Tan, Robby T. and Feng, Jiashi and Liu, Jiaying and Guo, Zongming and Yan, Shuicheng},
  title = {Deep Joint Rain Detection and Removal from a Single Image},
  booktitle = {CVPR},
  year = {2017}
}""",
    "srd": """@inproceedings{qu2017deshadownet,
  author = {Qu, Liangqiong and Tian, Jiandong and He, Shengfeng and Tang, Yandong and Lau, Rynson W. H.},
  title = {{DeshadowNet}: A Multi-Context Embedding Deep Network for Shadow Removal},
  booktitle = {CVPR},
  year = {2017}
}""",
    "snow100k": """@article{liu2018desnownet,
  author = {Liu, Yun-Fu and Jaw, Da-Wei and Huang, Shih-Chia and Hwang, Jenq-Neng},
  title = {{DesnowNet}: Context-Aware Deep Network for Snow Removal},
  journal = {IEEE Transactions on Image Processing},
  volume = {27},
  number = {6},
  pages = {3064--3073},
  year = {2018}
}""",
    "celebahq": """@inproceedings{karras2018progressive,
  author = {Karras, Tero and Aila, Timo and Laine, Samuli and Lehtinen, Jaakko},
  title = {Progressive Growing of {GANs} for Improved Quality, Stability, and Variation},
  booktitle = {ICLR},
  year = {2018}
}""",
}
"""By the name of the source."""
