"""Application of MONAI Deploy: a DICOM study through a packed bundle, which writes a DICOM Segmentation.

    python ci/deploy --input STUDY --output OUT --model BUNDLE

STUDY, OUT and BUNDLE are those of the environment's HOLOSCAN_INPUT_PATH, ... where they are not given, as in an
application package. Settings of the bundle are in app.yaml, or in the file HOLOSCAN_CONFIG_PATH.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from monai.deploy.conditions import CountCondition
from monai.deploy.core import AppContext, Application
from packed_bundle import find_bundle, library_of
from segment_study import SegmentStudyOperator


class SegmentStudy(Application):
    """One study, one run."""

    def __init__(self, bundle: Path, context: AppContext) -> None:
        self.bundle, self.context = bundle, context
        super().__init__()

    def compose(self) -> None:
        """Make the only operator; others may follow its output "results"."""
        operator = SegmentStudyOperator(
            self,
            CountCondition(self, 1),
            bundle=self.bundle,
            study=Path(self.context.input_path),
            output=Path(self.context.output_path),
            settings=self.kwargs("segmenter"),
            name="segment_study",
        )
        self.add_operator(operator)


def main() -> None:
    """Run the application; what a person can mend is the last line, with status 1."""
    context = Application.init_app_context(sys.argv)
    try:
        bundle = find_bundle(Path(context.model_path))
        library_of(bundle, "errors").install_excepthook()
    except ValueError as error:
        sys.exit(f"Error: {error}")
    application = SegmentStudy(bundle, context)
    application.config(os.environ.get("HOLOSCAN_CONFIG_PATH", str(Path(__file__).with_name("app.yaml"))))
    application.run()


if __name__ == "__main__":
    main()
