#!/usr/bin/env bash
# From nothing to a trained, evaluated model with pictures: painted brains, VNet on FLAIR in three forms (Table 4 of
# PGO), evaluation, inference. A second run finds everything done. QUICKSTART_DIR chooses another folder than quickstart/.
set -euo pipefail
cd "$(dirname "$0")/.."
source ci/environment.sh

out=${QUICKSTART_DIR:-quickstart}
bundle=bundles/brats_mri_segmentation_pareto_vnet
grid=(--spacing_mm "[3.5, 3.5, 3.5]")
norm=network_instance_norm  # which batches of one image need
small=(--spacing_mm "[3.5, 3.5, 3.5]" --patch_size "[32, 32, 32]")

echo "1. Brains with tumours (painted, no patients)"
$python -m ci paint-phantoms --out "$out/phantoms" --num_cases 24 --seed 2 "${grid[@]}"
$python -m ci paint-phantoms --out "$out/new_cases" --num_cases 2 --seed 3 "${grid[@]}"

echo "2. VNet on FLAIR in three forms: training, evaluation, table"
forms="ours: $norm; ours without rho: no_rho,$norm; baseline: baseline,$norm"
$python -m ci study --bundle $bundle --out "$out" --variants "$forms" --jobs 3 \
    --dataset_dir "$out/phantoms" "${small[@]}" --batch_size 1 --learning_rate 0.04 --max_epochs 18 \
    --val_interval 18 --checkpoint_interval 18 --num_workers 0 --rotation_degrees 0

echo "3. Inference on two new cases"
[ -d "$out/inference" ] || $python -m monai.bundle run --bundle_root $bundle \
    --config_file "['$bundle/configs/inference.json','$bundle/configs/$norm.json']" \
    --dataset_dir "$out/new_cases" "${small[@]}" --ckpt_path "$out/ours/seed0/models/model.pt" \
    --output_dir "$out/inference"

cat <<END

Done. All of this is about painted brains, no patients:
  $out/table.md, .png                   the three forms side by side
  $out/<form>/seed0/evaluation.md, .png  a form, case by case
  $out/<form>/seed0/curves.png           how it was trained
  $out/inference/*/*_overlay.png         two new cases: segmentation and uncertainty
END
