"""An application of MONAI Deploy that reads and writes with the SDK's own DICOM operators; for the prostate bundle."""

import json
import os
from pathlib import Path

from monai.deploy.conditions import CountCondition
from monai.deploy.core import Application
from monai.deploy.operators.dicom_data_loader_operator import DICOMDataLoaderOperator
from monai.deploy.operators.dicom_seg_writer_operator import DICOMSegmentationWriterOperator, SegmentDescription
from monai.deploy.operators.dicom_series_selector_operator import DICOMSeriesSelectorOperator
from monai.deploy.operators.dicom_series_to_volume_operator import DICOMSeriesToVolumeOperator
from packed_bundle import find_bundle
from pydicom.sr.coding import Code
from segment_images import SegmentImagesOperator

AI = Code("123110", "DCM", "Artificial Intelligence")
SERIES = {"t2": "(?i)t2_tse_tra", "adc": "(?i).*adc"}  # conditions on SeriesDescription


class SegmentImages(Application):
    def compose(self):
        context = Application.init_app_context(self.argv)
        bundle = find_bundle(Path(context.model_path))
        config = json.loads((bundle / "configs" / "inference.json").read_text())
        algorithm = {"algorithm_name": bundle.name, "algorithm_version": "0", "algorithm_family": AI}
        described = [
            SegmentDescription(
                segment_label=name,
                segmented_property_category=Code(*config["segment_codes"][name]["category"]),
                segmented_property_type=Code(*config["segment_codes"][name]["type"]),
                **algorithm,
            )
            for name in config["class_names"]
        ]
        loader = DICOMDataLoaderOperator(
            self, CountCondition(self, 1), input_folder=Path(context.input_path), name="load"
        )
        segment = SegmentImagesOperator(
            self, bundle=bundle, modalities=[*SERIES], settings=self.kwargs("segmenter"), name="segment"
        )
        writer = DICOMSegmentationWriterOperator(
            self, segment_descriptions=described, output_folder=Path(context.output_path), name="write"
        )
        for modality, description in SERIES.items():
            rules = {"selections": [{"name": modality, "conditions": {"SeriesDescription": description}}]}
            selector = DICOMSeriesSelectorOperator(self, rules=json.dumps(rules), name=f"select_{modality}")
            volume = DICOMSeriesToVolumeOperator(self, name=f"{modality}_volume")
            self.add_flow(loader, selector, {("dicom_study_list", "dicom_study_list")})
            self.add_flow(selector, volume, {("study_selected_series_list", "study_selected_series_list")})
            self.add_flow(volume, segment, {("image", modality)})
            if modality == next(iter(SERIES)):
                self.add_flow(selector, writer, {("study_selected_series_list", "study_selected_series_list")})
        self.add_flow(segment, writer, {("seg_image", "seg_image")})


if __name__ == "__main__":
    application = SegmentImages()
    application.config(os.environ["HOLOSCAN_CONFIG_PATH"])
    application.run()
