#!/usr/bin/env bash
# From nothing to a trained, evaluated model with pictures: phantoms, VNet on FLAIR in three forms (Table 4 of PGO),
# evaluation, inference. A second run finds everything done. QUICKSTART_DIR chooses another folder than quickstart/.
set -euo pipefail
cd "$(dirname "$0")/.."
source ci/environment.sh

out=${QUICKSTART_DIR:-quickstart}
bundle=bundles/brats_mri_segmentation_pareto_vnet
grid=(--size "[42, 48, 36]" --spacing_mm "[3.5, 3.5, 3.5]")
small=(--spacing_mm "[3.5, 3.5, 3.5]" --patch_size "[32, 32, 32]")

run() { # config files (without folder and suffix, joined by commas), then options
    local files=$1
    shift
    $python -m monai.bundle run --bundle_root $bundle \
        --config_file "['$bundle/configs/${files//,/.json\',\'$bundle/configs/}.json']" "${small[@]}" "$@"
}

echo "1. Phantoms (painted, no patients)"
$python ci/paint_phantoms.py --out "$out/phantoms" --num_cases 24 "${grid[@]}"
$python ci/paint_phantoms.py --out "$out/new_cases" --num_cases 2 --seed 1 "${grid[@]}"

for form in ours no_rho baseline; do
    configs=train,tumour_crops
    [ $form = ours ] || configs=$configs,$form
    place=(--dataset_dir "$out/phantoms" --ckpt_dir "$out/$form/models" --output_dir "$out/$form")
    echo "2. VNet on FLAIR, $form"
    [ -f "$out/$form/models/model_last.pt" ] || run $configs "${place[@]}" --batch_size 1 --learning_rate 0.01 --max_epochs 14 \
        --val_interval 7 --checkpoint_interval 14 --num_workers 0
    [ -f "$out/$form/evaluation.md" ] || run $configs,evaluate "${place[@]}"
done

echo "3. Inference on two new cases"
[ -d "$out/inference" ] || run inference --dataset_dir "$out/new_cases" --output_dir "$out/inference" \
    --ckpt_path "$out/ours/models/model.pt"

echo "4. The three forms side by side"
$python ci/tables.py --out "$out/table" ours="$out/ours/evaluation.csv" \
    "ours without rho"="$out/no_rho/evaluation.csv" baseline="$out/baseline/evaluation.csv"

cat <<END

Done. All of this is about phantoms (painted, no patients):
  $out/table.md, .png             the three forms side by side
  $out/<form>/evaluation.md, .png  a form, case by case
  $out/<form>/curves.png           how it was trained
  $out/inference/*/*_overlay.png   two new cases: segmentation and uncertainty
END
