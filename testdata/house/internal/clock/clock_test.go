package clock

import _ "assay/contracts"
