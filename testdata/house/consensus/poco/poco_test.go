package poco

import _ "os" // tests may do I/O
