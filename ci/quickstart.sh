#!/usr/bin/env bash
# From nothing to results with pictures: a painted ultrasound image, segmented by the weights that the breast bundle
# brings; a painted brain, segmented by weights from painted brains if the bundle has some; a small network for missing
# modalities, trained on painted brains with fuzzy labels, and its scores for all subsets of the modalities. A second run
# finds everything done. QUICKSTART_DIR chooses another folder than quickstart/.
set -euo pipefail
cd "$(dirname "$0")/.."
source ci/environment.sh

out=${QUICKSTART_DIR:-quickstart}
breast=bundles/breast_ultrasound_segmentation_interaction
brain=bundles/brats_mri_segmentation_pareto_mmformer
small=(--spacing_mm "[3.5, 3.5, 3.5]" --patch_size "[32, 32, 32]" --features 8 --num_workers 0)

echo "1. A painted ultrasound image, segmented by the weights of the breast bundle"
$python -m ci paint-phantoms --kind breast --out "$out/ultrasound" --num_normal 1 --num_benign 1 --num_malignant 1
[ -d "$out/breast" ] || $python -m monai.bundle run --bundle_root $breast --config_file $breast/configs/inference.json \
    --dataset_dir "$out/ultrasound" --output_dir "$out/breast"

if [ -f $brain/models/painted.pt ]; then
    echo "2. A painted brain, segmented from four modalities and from FLAIR alone by the weights of the brain bundle"
    $python -m ci paint-phantoms --tumours high_grade --out "$out/head" --num_cases 1 --seed 5 --spacing_mm "[2, 2, 2]"
    [ -d "$out/tumour" ] || $python -m monai.bundle run --bundle_root $brain \
        --config_file $brain/configs/inference.json --dataset_dir "$out/head" --output_dir "$out/tumour"
    [ -d "$out/tumour_flair" ] || $python -m monai.bundle run --bundle_root $brain \
        --config_file $brain/configs/inference.json --output_dir "$out/tumour_flair" \
        --dataset_dir "$out/head/Phantom_000/Phantom_000_flair.nii.gz" --only_modality flair
fi

echo "3. Painted brains"
$python -m ci paint-phantoms --tumours high_grade --out "$out/brains" --num_cases 10 --seed 2 \
    --spacing_mm "[3.5, 3.5, 3.5]"

echo "4. SegResNet with fuzzy labels, trained on random subsets of four modalities, scored on all 15"
$python -m ci study --bundle $brain --out "$out/brain" --variants "SegResNet with fuzzy labels: network_segresnet" \
    --evaluation evaluate_subsets --dataset_dir "$out/brains" "${small[@]}" --fuzzy_weight 1.0 --learnable_rho True \
    --learning_rate 0.004 --batch_size 2 --max_epochs 24 --val_interval 24 --checkpoint_interval 24 --rotation_degrees 0

cat <<END

Done. All images are painted, no patients.
  $out/breast/*/*_overlay.png       lesion mask, class and uncertainty
  $out/tumour*/*/*_overlay.png      tumour of a brain, from four modalities and from FLAIR alone
  $out/brain/table_subsets.md, .png  Dice for every subset of the modalities
  $out/brain/*/seed0/curves.png      how the network was trained
END
