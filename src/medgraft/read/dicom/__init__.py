"""How DICOM becomes a scan: loading, pixels, values, place, series; pydicom does the decoding."""
