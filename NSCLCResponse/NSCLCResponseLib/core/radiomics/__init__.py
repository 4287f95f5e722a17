"""Radiomics by PyRadiomics: settings as the contract, features with names that last, failures with reasons."""

from .extract import FeatureResult, extract_features
from .settings import RadiomicsSettings, load_settings, shipped_settings

__all__ = ["FeatureResult", "RadiomicsSettings", "extract_features", "load_settings", "shipped_settings"]
