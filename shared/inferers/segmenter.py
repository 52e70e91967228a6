"""Segment cases from Python, with what a bundle's inference.json says."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Events
from monai.bundle import ConfigParser

from ..errors import InputError, input_errors_unwrapped
from .case_inputs import case_item
from .one_case import bundle_workflow, for_one_case
from .segmentation import Segmentation

__all__ = ["Segmenter"]

OWN_BUNDLE = Path(__file__).resolve().parents[2]  # of a packed bundle's <name>_lib/inferers/segmenter.py
TEMPERATURES = ("found_temperature", "found_class_temperature", "member_temperatures")


class Segmenter:
    """A bundle with its weights loaded, called once per case.

    The bundle's own inference.json says how a case is read, predicted and written, so the numbers are those of
    `python -m monai.bundle run`. Several threads may call one segmenter; each call has its own transforms, and all
    share the network. Nothing is printed.

    Args:
        bundle: folder of the bundle; a packed bundle's own `Segmenter` knows it.
        weights: checkpoint, or a list of them, an ensemble; if None the bundle's models/model.pt, else those
            that it includes.
        device: such as "cuda" or "cpu"; a GPU if there is one if None.
        overlays: configurations that follow inference.json, by name ("network_rfnet") or path.
        **settings: any setting of inference.json, such as ``overlap=0.25``.

    Raises:
        InputError: no such bundle, overlay or setting; a value that a setting cannot have; weights that do not fit.

    Example:
        segmenter = Segmenter("bundles/brats_mri_segmentation_pareto_mmformer", weights="model.pt")
        result = segmenter(flair="flair.nii.gz", t1ce=(array, affine))
        result.save("out/")
    """

    def __init__(
        self,
        bundle: str | os.PathLike | None = None,
        weights: str | os.PathLike | Sequence[str | os.PathLike] | None = None,
        device: str | torch.device | None = None,
        overlays: Sequence[str | os.PathLike] = (),
        **settings: Any,
    ) -> None:
        self.bundle = OWN_BUNDLE if bundle is None else Path(bundle).expanduser()
        given = {"ckpt_path": weights, "device": None if device is None else _device(device)}
        settings |= {name: value for name, value in given.items() if value is not None}
        settings["bundle_root"] = str(self.bundle)
        workflow = bundle_workflow(self.bundle, overlays, settings)
        parser = workflow.parser
        with input_errors_unwrapped():
            workflow.initialize()
            self.network = parser.get_parsed_content("network").eval()
            self.loader = parser.get_parsed_content("checkpointloader")
            self.loader()
        self.modalities = parser.get_parsed_content("modalities") if "modalities" in parser else None
        self._takes_studies = "dicom_dir" in parser
        config = dict(parser.get())
        for name in TEMPERATURES:
            if name in config:
                config[name] = parser.get_parsed_content(name)  # reads the weights again: once is enough
        self._config = for_one_case(config)

    def __call__(
        self, image: Any = None, *, case: str | None = None, dicom_dir: str | os.PathLike | None = None, **volumes: Any
    ) -> Segmentation:
        """Segment one case.

        Args:
            image: the picture of a 2D bundle (see `picture_item`); of others, all modalities in one 4D file or tensor.
            case: name for the record and the files; by default that of the first file.
            dicom_dir: a DICOM study, in place of volumes; the bundle finds out which series is which modality.
            **volumes: any subset of the bundle's modalities by name, and "brain", a mask; see `volumes_item`.

        Raises:
            InputError: what is wrong with the case, as `inference.json` would say it.
        """
        if dicom_dir is None:
            item = case_item(image, volumes, case, modalities=self.modalities, bundle=self.bundle.name)
            return self._segment(item, {})
        self._require_studies()
        if image is not None or volumes:
            raise InputError("dicom_dir: a study has all volumes; leave the others out.")
        cases = self._cases_in(dicom_dir)
        if len(cases) > 1:
            raise InputError(
                f"dicom_dir: the study has {len(cases)} pictures, but this segments one; take segmenter.study(...), "
                "which segments all, or give a folder with one."
            )
        return self._segment(cases[0], {"dicom_dir": os.fspath(dicom_dir)})

    def study(self, dicom_dir: str | os.PathLike) -> Iterator[Segmentation]:
        """Segment a DICOM study: each of its pictures, or its volumes as one case.

        Raises:
            InputError: what is wrong with the study; or, after all other pictures, which ones cannot be segmented.
        """
        self._require_studies()
        cases, failures = self._cases_in(dicom_dir), []
        for case in cases:
            try:
                result = self._segment(case, {"dicom_dir": os.fspath(dicom_dir)})
            except InputError as error:
                if len(cases) == 1:
                    raise
                failures.append(f"{case['case']}: {error}")
            else:
                yield result
        if failures:
            done = f"{len(cases) - len(failures)} of {len(cases)} pictures done"
            raise InputError(f"{done}; not done: {' | '.join(failures)}")

    def _require_studies(self) -> None:
        if not self._takes_studies:
            inputs = "pictures" if self.modalities is None else "a file per modality"
            raise InputError(f"dicom_dir: {self.bundle.name} reads no DICOM studies; give {inputs}.")

    def _cases_in(self, dicom_dir: str | os.PathLike) -> list[dict[str, Any]]:
        """Return the cases that the bundle finds in a DICOM study."""
        changes = {"dicom_dir": os.fspath(dicom_dir), "datalist": self._config["_study_"], "dataset_dir": ""}
        with input_errors_unwrapped():
            return self._parser([], changes).get_parsed_content("datalist")

    def _segment(self, item: dict[str, Any], changes: Mapping[str, Any]) -> Segmentation:
        """Run the bundle's evaluator on one case, with changes to its configuration."""
        parser = self._parser([item], changes)
        found: dict[str, Any] = {}
        with input_errors_unwrapped():
            evaluator = parser.get_parsed_content("evaluator")
            evaluator.logger = _silent_logger()
            evaluator.add_event_handler(Events.ITERATION_STARTED, self.loader.note_weights)
            evaluator.add_event_handler(Events.ITERATION_COMPLETED, _store_results, found)
            evaluator.run()

        def make_savers(output_dir: str) -> list[Callable[[Mapping], Mapping]]:
            saving = self._parser([None], {**changes, "output_dir": output_dir})
            return [saver for saver in saving.get_parsed_content("_savers_") if saver is not None]

        return Segmentation(found, make_savers)

    def _parser(self, cases: list[Any], changes: Mapping[str, Any]) -> ConfigParser:
        """Return the configuration for one call, with the loaded network."""
        given = {"segmenter_network": self.network, "segmenter_loader": self.loader, "segmenter_cases": cases}
        return ConfigParser(deepcopy(self._config) | dict(changes), globals=given)


def _device(name: str | torch.device) -> torch.device:
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise InputError(f"device: expected a device such as 'cuda' or 'cpu', got {name!r}; correct it.") from error


def _store_results(engine: Any, found: dict[str, Any]) -> None:
    """Copy the results out of an engine before it clears them."""
    found.update({**engine.state.batch[0], **engine.state.output[0]})


def _silent_logger() -> logging.Logger:
    logger = logging.Logger("silent")
    logger.addHandler(logging.NullHandler())
    return logger
