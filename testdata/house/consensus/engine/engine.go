// Package engine is a shell: it may do I/O.
package engine

import _ "math/big"
