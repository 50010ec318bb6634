package workers_test

import (
	_ "assay/cmd/assay"
	_ "assay/graphql" // an external test may wire rooms together
)
