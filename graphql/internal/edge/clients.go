package edge

import (
	"context"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"golang.org/x/time/rate"
)

// clientsKept is how many clients are remembered. One that is forgotten has all it may
// ask for at once again.
const clientsKept = 1 << 14

// Clients counts what each client asks for.
type Clients struct {
	rate   rate.Limit
	burst  int
	header string
	now    func() time.Time

	mutex sync.Mutex
	known graphql.Cache[*rate.Limiter]
}

// NewClients lets each client ask perSecond times on average, and burst times at once.
// Header names the field in which a proxy in front says who the client is, such as
// X-Forwarded-For: its last address counts, which is what the nearest proxy saw. Without
// one the client is who connects.
func NewClients(perSecond float64, burst int, header string) *Clients {
	return &Clients{rate: rate.Limit(perSecond), burst: burst, header: header, now: time.Now, known: lru.New[*rate.Limiter](clientsKept)}
}

// Allow takes one request of its client, or answers that there were too many and reports
// false.
func (c *Clients) Allow(w http.ResponseWriter, r *http.Request) bool {
	wait := c.take(clientOf(r, c.header))
	if wait <= 0 {
		return true
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	Refuse(w, http.StatusTooManyRequests, Limit, "too many requests: wait a little, or ask for more with each")
	return false
}

// take is how long the client has to wait before it may ask; zero if it may now.
func (c *Clients) take(client string) time.Duration {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	limiter, known := c.known.Get(context.Background(), client)
	if !known {
		limiter = rate.NewLimiter(c.rate, c.burst)
		c.known.Add(context.Background(), client, limiter)
	}
	now := c.now()
	reservation := limiter.ReserveN(now, 1)
	wait := reservation.DelayFrom(now)
	if wait > 0 {
		reservation.CancelAt(now)
	}
	return wait
}

// clientOf is the address of a client: of IPv6 the network that one customer is given.
func clientOf(r *http.Request, header string) string {
	address := r.RemoteAddr
	if fields := r.Header.Values(header); header != "" && len(fields) > 0 {
		parts := strings.Split(fields[len(fields)-1], ",")
		address = strings.TrimSpace(parts[len(parts)-1])
	}
	if host, _, err := net.SplitHostPort(address); err == nil {
		address = host
	}
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return "" // all that cannot be told apart are one
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	const customer = 64
	return netip.PrefixFrom(ip, customer).Masked().String()
}
