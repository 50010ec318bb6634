package edge

import "assay/graphql/internal/database"

// Front is what all endpoints of one server share, so that limits and caches are those
// of the whole.
type Front struct {
	Reader  *database.Reader
	Clients *Clients
	Cache   *Cache
}
