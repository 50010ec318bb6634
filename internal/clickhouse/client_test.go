package clickhouse

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
)

func TestUnreachableServer(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	address := strings.TrimPrefix(server.URL, "http://")
	server.Close()
	_, err := Open(t.Context(), Config{Addr: address, Database: "d", User: "u", Password: "sesame"})
	wantOneLine(t, err, "connecting to ClickHouse at "+address)
	if strings.Contains(err.Error(), "sesame") {
		t.Errorf("the password is in %q", err)
	}
}

// A server at an address gets the user and the password, and never the setting to queue.
func TestServerByAddress(t *testing.T) {
	seen := make(chan *http.Request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case seen <- r:
		default:
		}
		w.Header().Set("X-ClickHouse-Exception-Code", "516")
		http.Error(w, "Code: 516. DB::Exception: u: Authentication failed. (AUTHENTICATION_FAILED)", http.StatusForbidden)
	}))
	defer server.Close()
	_, err := Open(t.Context(), Config{Addr: strings.TrimPrefix(server.URL, "http://"), Database: "d", User: "u", Password: "sesame"})
	wantCode(t, err, 516)
	r := <-seen
	user, password, _ := r.BasicAuth()
	if query := r.URL.Query(); user != "u" || password != "sesame" || query.Get("database") != "d" || query.Get("async_insert") != "0" {
		t.Errorf("%s:%s asks %s", user, password, r.URL)
	}
}

func TestOpenIsBoundedByContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, testDatabase(t)); err == nil {
		t.Fatal("opened with a cancelled context")
	}
}

func TestProxyIsNotAsked(t *testing.T) {
	config := testDatabase(t)
	transport, err := config.options().TransportFunc(&http.Transport{Proxy: http.ProxyFromEnvironment})
	ok(t, err)
	if plain, is := transport.(*http.Transport); !is || plain.Proxy != nil {
		t.Error("the socket is reached by way of a proxy")
	}
}

func TestEngineConfiguration(t *testing.T) {
	conn := connect(t, testDatabase(t))
	for name, want := range map[string]string{"max_server_memory_usage": "1500000000", "mark_cache_size": "67108864", "background_pool_size": "2"} {
		if got := one[string](t, conn, "SELECT value FROM system.server_settings WHERE name = {n:String}", clickhouse.Named("n", name)); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if got := one[string](t, conn, "SELECT value FROM system.merge_tree_settings WHERE name = 'max_suspicious_broken_parts'"); got != "0" {
		t.Errorf("max_suspicious_broken_parts is %s", got)
	}
}

// A query that needs too much memory fails alone.
func TestMemoryLimit(t *testing.T) {
	conn := connect(t, testDatabase(t))
	wantCode(t, conn.Exec(t.Context(), "SELECT groupArray(toString(number)) FROM numbers(1000000000)"), 241) // MEMORY_LIMIT_EXCEEDED
	ok(t, conn.Ping(t.Context()))
}

func TestLongParameters(t *testing.T) {
	conn := connect(t, testDatabase(t))
	long := strings.Repeat("0123456789abcdef", 40_000) // 640 kB in the address of the request
	if got := one[uint64](t, conn, "SELECT length({s:String})", clickhouse.Named("s", long)); got != uint64(len(long)) {
		t.Errorf("got %d", got)
	}
	if err := conn.Exec(t.Context(), "SELECT {s:String}", clickhouse.Named("s", long+long)); err == nil || !strings.Contains(err.Error(), "431") {
		t.Errorf("got %v", err)
	}
}
