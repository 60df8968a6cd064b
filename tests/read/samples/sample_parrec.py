"""PAR/REC of version 4.2, written by hand: 3 slices at 2 time points."""

import numpy as np
from sampling import Sample, ramp

GENERAL = """\
# === DATA DESCRIPTION FILE ======================================================
#
# CLINICAL TRYOUT             Research image export tool     V4.2
#
# === GENERAL INFORMATION ========================================================
#
.    Patient name                       :   phantom
.    Examination name                   :   phantom
.    Protocol name                      :   phantom
.    Examination date/time              :   2014.02.14 / 09:00:57
.    Series Type                        :   Image   MRSERIES
.    Acquisition nr                     :   2
.    Reconstruction nr                  :   1
.    Scan Duration [sec]                :   14
.    Max. number of cardiac phases      :   1
.    Max. number of echoes              :   1
.    Max. number of slices/locations    :   3
.    Max. number of dynamics            :   2
.    Max. number of mixes               :   1
.    Patient position                   :   Head First Supine
.    Preparation direction              :   Anterior-Posterior
.    Technique                          :   FEEPI
.    Scan resolution  (x, y)            :   4  5
.    Scan mode                          :   MS
.    Repetition time [ms]               :   2000.000
.    FOV (ap,fh,rl) [mm]                :   10.0  6.0  6.0
.    Water Fat shift [pixels]           :   11.050
.    Angulation midslice(ap,fh,rl)[degr]:   0.000  0.000  0.000
.    Off Centre midslice(ap,fh,rl) [mm] :   0.000  0.000  0.000
.    Flow compensation <0=no 1=yes> ?   :   0
.    Presaturation     <0=no 1=yes> ?   :   0
.    Phase encoding velocity [cm/sec]   :   0.000000  0.000000  0.000000
.    MTC               <0=no 1=yes> ?   :   0
.    SPIR              <0=no 1=yes> ?   :   1
.    EPI factor        <0,1=no EPI>     :   39
.    Dynamic scan      <0=no 1=yes> ?   :   1
.    Diffusion         <0=no 1=yes> ?   :   0
.    Diffusion echo time [ms]           :   0.0000
.    Max. number of diffusion values    :   1
.    Max. number of gradient orients    :   1
.    Number of label types   <0=no ASL> :   0
#
# === IMAGE INFORMATION ==========================================================

"""
LINE = (
    "{slice} 1 {time} 1 0 2 {at} 16 100 4 5 {inter} {slope} 1.0 100 200 0 0 0 0 {high} 0 2.0 0.5"
    " 0 1 0 2 1.5 2.0 30.0 0.0 0.0 0.0 0 90.0 0 0 0 39 0.0 1 1 8 0 0 0 0 1\n"
)


def make(folder):
    stored = ramp(4, 5, 3, 2)
    lines = [
        LINE.format(slice=k + 1, time=t + 1, at=t * 3 + k, inter=-10, slope=0.5, high=k * 2.5)
        for t in range(2)
        for k in range(3)
    ]
    (folder / "a.PAR").write_text(GENERAL + "".join(lines))
    (folder / "a.REC").write_bytes(stored.tobytes(order="F"))
    wanted = np.moveaxis(stored * 0.5 - 10, -1, 0).astype("float32")
    return [Sample(folder / "a.PAR", wanted, (1.5, 2.0, 2.5))]
