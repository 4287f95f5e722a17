"""Weights of the scorer that orders sizes (see :mod:`.one_click_rank`), fitted by ``Testing/fit_click_scorer.py``.

Trained on simulated tumours only: 63 tumours, 129 clicks: 43 simulated patients, and 20 tumours drawn into the healthy
lungs of public CTs.
No real tumour took part. The sizes were those of seven pushes then (1.75 beside today's six); the choice among sizes
had a mean Dice of 0.859 in five-fold cross-validation over tumours, the best fixed push 0.850, an oracle 0.885.
"""

from __future__ import annotations

# descriptor: lowest and highest value seen, scale, weight between clicks, weight within a click
INTERCEPT = 2.0314
WEIGHTS = {
    "log_volume_in_balls": (-1.041, 4.208, 0.7949, 0.06864, -0.03965),
    "inner_radius": (0.3074, 1, 0.1174, 0.01534, -0.04531),
    "mean_depth": (0, 4.095, 0.9016, 0.02935, -0.1407),
    "beyond_share": (0, 0.4449, 0.1011, -0.01138, 0.08161),
    "hu_contrast": (12.95, 150, 36.75, 0.0309, -0.01117),
    "log_to_smaller": (0, 2.012, 0.3295, -0.06718, -0.0102),
    "log_to_larger": (0, 2.012, 0.3295, -0.06718, -0.0008845),
    "sphericity": (0.403, 1.493, 0.257, -0.06058, 0.02658),
    "open_share": (0, 0.3472, 0.07055, -0.2032, -0.1263),
    "edge": (0.5711, 0.97, 0.07283, 0.07058, 0.04509),
    "soft_edge": (0.5181, 1, 0.08218, -0.178, 0.01458),
    "hu_spread": (17.79, 88.69, 15.27, -0.03427, -0.06598),
    "far_share": (0, 0.3447, 0.07119, -0.08311, -0.05516),
    "air_share": (0.002703, 1, 0.1934, -0.04339, 0.01875),
    "bone_share": (0, 0.4432, 0.1099, -0.02828, -0.01811),
    "log_push": (-1.514, 0.5596, 0.6795, 8.124e-30, -0.0003092),
    "log_push_squared": (0.002631, 2.293, 0.7626, -1.374e-29, 0.002713),
}
