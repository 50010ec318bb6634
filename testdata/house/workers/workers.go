// Package workers imports the program.
package workers

import _ "assay/cmd/assay"
