"""A pipeline of NeMo Curator's ALM stages, of the shape of its own, and the rest of what its file holds."""

PIPELINE = """\
# Windows of a minute, for our test bench
defaults:
  - _self_
  - override hydra/job_logging: none

hydra:
  run: {dir: .}

documentation: |
  Windows for ``${output_dir}``.

lab: bench
seconds: 60
manifest_path: ???
output_dir: ./bench_${lab}
backend: xenna

stages:
  - _target_: nemo_curator.stages.audio.ManifestReader
    manifest_path: ${manifest_path}
    files_per_partition: 4
  - _target_: nemo_curator.stages.audio.alm.ALMDataBuilderStage
    target_window_duration: ${seconds}
    tolerance: 2e-1
    min_sample_rate: 8000
    min_bandwidth: 3400
    min_speakers: 1
    max_speakers: 6
    truncation: false
    drop_fields: "words, text"
    drop_fields_top_level: "segments"
    batch_size: 8
  - _target_: nemo_curator.stages.audio.alm.ALMDataOverlapStage
    overlap_percentage: 10
    target_duration: 55.5
  - _target_: nemo_curator.stages.audio.ManifestWriterStage
    output_path: ${output_dir}/bench.jsonl
"""
