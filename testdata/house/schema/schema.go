// Package schema needs more than the lean modules.
package schema

import _ "github.com/segmentio/kafka-go"
