"""Input files of the cases: small configs, sweeps, and configs of other simulators."""

GRID = """\
name: grid
base: pim-llm
models: [gpt2-small, gpt2-medium]
axes:
  machine.mesh.link_bandwidth_bps: [10 Gb/s, 20 Gb/s]
  side: {keys: [machine.systolic.rows, machine.systolic.columns], values: [32, 64]}
metrics: [tokens_per_s, gops_per_w, area_m2, systolic_s, tile_energy_j, mesh_utilisation, array_snr_db]
"""

SALTELLI = """\
name: saltelli
base: pim-llm
set: {workload.model: gpt2-small}
axes:
  machine.systolic.clock_hz: {start: 50 MHz, stop: 200 MHz, scale: log}
  machine.crossbar.pair.array.adcs: [32, 64, 128]
sampling: {method: saltelli, samples: 8}
metrics: [tokens_per_s]
"""

SEARCH = """\
name: search
base: pim-llm
set: {workload.model: gpt2-medium}
axes:
  side: {keys: [machine.systolic.rows, machine.systolic.columns], values: [8, 16, 32, 64]}
  machine.crossbar.pair.array.adcs: [2, 4, 8, 16, 32]
constraints: [side * machine.crossbar.pair.array.adcs <= 1024]
metrics: [tokens_per_s, area_m2]
objectives: [tokens_per_s, area_m2]
trials: 20
"""

GENERATE = """\
extends: pim-llm
workload: {model: gpt2-small, phase: generate, prompt_length: 16, new_tokens: 8}
"""

MEMORY = """\
extends: [pim-llm, memory-lpddr5-timing]
schedule: contended
workload: {model: gpt2-small, context_length: 512}
"""

FAULTY = """\
extends: [pim-llm, device-faulty-1t1r, adc-neurosim-8bit]
machine:
  crossbar:
    calibration_vectors: 8
    pair:
      array: {spare_columns: 16, remapping: spares}
      noise: {write_verify: {tolerance: 0.02, max_pulses: 5}}
      wires: {model: none}
"""

STOCK = """\
extends: pim-llm-published
name: defaults
workload: {model: gpt2-medium}
mapping: {provisioning: whole_model}
leakage_gating: idle_gated
machine:
  systolic: {mac_energy_j: 0.23 pJ, cycle_energy_j: 0 J, cycle_energy_array: null}
  crossbar: {pair: {adc: {conversion_energy_j: 10.08 pJ}}}
  mesh: {hop_energy_j_per_bit: 0.48 pJ/bit}
"""
"""The defaults of the old revision: its fitted machine with stock values in place of the fitted ones."""

ANY_ARRAY = "machine.systolic.cycle_energy_array: null"
"""The old revision charged the fitted energy of a cycle to arrays of any size."""

OLD_DRAM = """\
machine:
  memory:
    read_energy_j_per_bit: &energy 20 pJ/bit
    write_energy_j_per_bit: *energy
    dram: {read_energy_j_per_bit: *energy, write_energy_j_per_bit: *energy}
"""
"""Energies of the old revision, before they followed from currents."""

MNSIM = """\
[Device level]
Device_Tech = 130
Device_Type = NVM
Device_Area = 1.44
Read_Level = 2
Read_Voltage = 0,0.15
Write_Level = 2
Write_Voltage = 0,3
Read_Latency = 3.16
Write_Latency = 10
Device_Level = 2
Device_Resistance = 1e6,1e4
Device_Variation = 1
Device_SAF = 0.1,0.1
Read_Energy = 1e-12
Write_Energy = 1e-12
[Crossbar level]
Xbar_Size = 256,256
Subarray_Size = 256
Cell_Type = 1T1R
Transistor_Tech = 130
Wire_Resistance = -1
Wire_Capacity = -1
Load_Resistance = -1
Area_Calculation = 0
[Interface level]
DAC_Choice = 1
ADC_Choice = 4
[Process element level]
PIM_Type = 0
Xbar_Polarity = 2
Sub_Position = 0
Group_Num = 1
DAC_Num = 128
ADC_Num = 64
[Digital module]
Digital_Frequency = 500
[Tile level]
PE_Num = 2,2
Inter_Tile_Bandwidth = 40
Intra_Tile_Bandwidth = 1024
[Architecture level]
Tile_Connection = 2
Tile_Num = 64,64
"""

SCALESIM = """\
[general]
run_name: GoogleTPU_v1_ws

[architecture_presets]
ArrayHeight: 256
ArrayWidth: 128
IfmapSramSzkB: 6144
FilterSramSzkB: 6144
OfmapSramSzkB: 2048
Dataflow: ws
Bandwidth: 10

[run_presets]
InterfaceBandwidth: USER
"""

GEMMS = """\
Layer,M,N,K
QKT,100,40,64
QKTV,100,64,100
"""
