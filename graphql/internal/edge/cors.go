package edge

import "net/http"

// AllowOrigins lets pages of any origin ask and read the answer: all data is public, and
// nothing is done in anyone's name, as there are no cookies. It reports whether the
// request only asked if it may, and is answered.
func AllowOrigins(w http.ResponseWriter, r *http.Request) bool {
	header := w.Header()
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
	header.Set("Access-Control-Allow-Headers", "Content-Type, Accept")
	header.Set("Access-Control-Expose-Headers", "Retry-After")
	header.Set("Access-Control-Max-Age", "86400")
	if r.Method != http.MethodOptions {
		return false
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}
