"""The simulated patient: CT, PET, outline, clinical values and outcome from a seed (DESIGN: see ARCHITECTURE.md).

>>> from NSCLCResponseLib.core import phantom
>>> patient = phantom.simulate_patient(seed=7, index=1, signal="planted")
>>> patient.ct.GetSize(), patient.lesion.kind, patient.outcome
"""

from __future__ import annotations

from .cohort import CohortPlan, usable_cores, write_cohort, write_plan
from .outcome import SIGNALS, TRAITS, OutcomeModel, auc_of_latent
from .patient import SimulatedPatient, draw_patient, simulate_patient

__all__ = [
    "SIGNALS",
    "TRAITS",
    "CohortPlan",
    "OutcomeModel",
    "SimulatedPatient",
    "auc_of_latent",
    "draw_patient",
    "simulate_patient",
    "usable_cores",
    "write_cohort",
    "write_plan",
]
