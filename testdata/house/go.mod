module assay
