# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: the lab's command, as people use it by hand."""

import subprocess

import kit


def lab(*words):
    return subprocess.run([kit.labkit.SOURCE / "scripts" / "lab", *words], capture_output=True, text=True, timeout=120, check=False)


def test_up_and_down(tmp_path):
    """Goal: a lab comes up with what lab.env says, tells what runs, and can be made again in the same folder after its end."""
    folder = tmp_path / "lab"
    for _ in range(2):
        result = lab("up", "--dir", folder, "--secondaries", "1", "--backend", "lmdb", "--build-dir", kit.labkit.default_build_dir())
        assert result.returncode == 0, result.stderr
        try:
            environment = dict(line.split("=", 1) for line in (folder / "lab.env").read_text().splitlines() if "=" in line and line[0] != "#")
            assert {"LAB_API_URL", "LAB_API_KEY", "LAB_PRIMARY_API_URL", "LAB_PRIMARY_DNS", "LAB_NATS_URL", "LAB_SECONDARIES",
                    "LAB_SECONDARY_1_DNS", "LAB_SECONDARY_1_API_URL"} <= set(environment)
            assert {"primary", "nats", "api-proxy", "zone-provider", "health-checker", "secondary-1", "syncer-1"} <= {
                path.stem for path in (folder / "run").glob("*.pid")}
            assert lab("status", "--dir", folder).returncode == 0
            assert lab("up", "--dir", folder).returncode == 1
            assert lab("kill", "syncer-1", "--dir", folder).returncode == 0
            assert lab("status", "--dir", folder).returncode == 3
            assert lab("start", "syncer-1", "--dir", folder).returncode == 0
            assert lab("status", "--dir", folder).returncode == 0
        finally:
            assert lab("down", "--dir", folder).returncode == 0
    result = lab("down", "--dir", folder, "--remove")
    assert result.returncode == 1 and "has no lab" in result.stderr
    (folder / "lab.ended").unlink()
    result = lab("up", "--dir", folder)
    assert result.returncode == 1 and "is not of a lab" in result.stderr
