package subgraph

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"

	"assay/graphql/internal/edge"
	"assay/schema/chains"
	definitions "assay/schema/graphql/subgraph"
)

// names of the subgraphs that iExec deploys on each of its chains.
const (
	pocoName          = "poco-v5"
	dataProtectorName = "dataprotector-v2"
	dataProtectorWas  = "dataprotector" // in the first version of its SDK, with the same contract
)

// site serves the subgraphs of all chains at graph-node's paths.
type site struct {
	front   *edge.Front
	log     *slog.Logger
	kinds   map[string]*kind      // by name
	chains  map[string]uint64     // by name
	hosted  map[string]deployment // by the id that the official one is hosted under
	mutex   sync.Mutex
	servers map[deployment]*server
}

// deployment is one subgraph of one chain.
type deployment struct {
	name  string
	chain uint64
}

// Site makes what puts the subgraphs of all chains beside other endpoints of a server, at
// graph-node's paths:
//
//	/subgraphs/name/<chain>/poco-v5, /subgraphs/name/<chain>/dataprotector-v2
//	/subgraphs/id/<id>, /api/subgraphs/id/<id>
//
// With /graphql behind any of them, graph-node serves GraphiQL.
// A chain is named by its preset's name or by its number, an id is the official one.
func Site(log *slog.Logger) (func(*http.ServeMux, *edge.Front), error) {
	s := &site{log: log, kinds: map[string]*kind{}, chains: map[string]uint64{}, hosted: map[string]deployment{}, servers: map[deployment]*server{}}
	for name, source := range map[string]struct{ definition, tables string }{
		pocoName:          {definitions.PoCo, "subgraph"},
		dataProtectorName: {definitions.DataProtector, "dataprotector"},
	} {
		kind, err := newKind(source.definition, source.tables)
		if err != nil {
			return nil, fmt.Errorf("subgraph %s: %w", name, err)
		}
		s.kinds[name] = kind
	}
	presets, err := chains.All()
	if err != nil {
		return nil, err
	}
	for _, preset := range presets {
		s.chains[preset.Name] = preset.ChainID
		s.hosted[preset.Subgraphs.PoCo] = deployment{pocoName, preset.ChainID}
		s.hosted[preset.Subgraphs.DataProtector] = deployment{dataProtectorName, preset.ChainID}
	}
	delete(s.hosted, "") // of chains without
	return s.mount, nil
}

func (s *site) mount(mux *http.ServeMux, front *edge.Front) {
	s.front = front
	for _, path := range []string{"/subgraphs/name/{chain}/{name}", "/subgraphs/id/{id}", "/api/subgraphs/id/{id}"} {
		mux.Handle(path, s)
		mux.Handle(path+"/graphql", s)
	}
}

// ServeHTTP answers a request for any deployment.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if edge.AllowOrigins(w, r) || !s.front.Clients.Allow(w, r) {
		return
	}
	server, err := s.find(r)
	if err != nil {
		edge.Refuse(w, http.StatusNotFound, edge.Input, err.Error())
		return
	}
	server.serve(w, r, s.front.Cache)
}

// find finds the server of the deployment that a path names.
func (s *site) find(r *http.Request) (*server, error) {
	wanted, known := s.hosted[r.PathValue("id")]
	called := r.PathValue("id")
	if !known && called == "" {
		called = r.PathValue("chain") + "/" + r.PathValue("name")
		if wanted.name = r.PathValue("name"); wanted.name == dataProtectorWas {
			wanted.name = dataProtectorName
		}
		wanted.chain, known = s.chain(r.Context(), r.PathValue("chain"))
	}
	kind := s.kinds[wanted.name]
	if !known || kind == nil {
		return nil, fmt.Errorf("deployment `%s` does not exist", called)
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.servers[wanted] == nil {
		s.servers[wanted] = newServer(kind, Config{Chain: wanted.chain, Deployment: s.deployment(wanted), Log: s.log, Limits: DefaultLimits()}, s.front.Reader)
	}
	return s.servers[wanted], nil
}

// chain is the number of a chain that has a preset, or of any that is indexed.
func (s *site) chain(ctx context.Context, name string) (uint64, bool) {
	if number, known := s.chains[name]; known {
		return number, true
	}
	number, err := strconv.ParseUint(name, 10, 64)
	if err != nil {
		return 0, false
	}
	indexed, err := s.front.Reader.Now(ctx, headAge)
	if err != nil {
		s.log.Error("looking for a chain", "chain", name, "error", err)
		return 0, false
	}
	for _, head := range indexed.Heads {
		if head.Chain == number {
			return number, true
		}
	}
	return 0, false
}

// deployment is what _meta calls a deployment: its official id, or else its name.
func (s *site) deployment(wanted deployment) string {
	for id, hosted := range s.hosted {
		if hosted == wanted {
			return id
		}
	}
	for name, number := range s.chains {
		if number == wanted.chain {
			return name + "/" + wanted.name
		}
	}
	return strconv.FormatUint(wanted.chain, 10) + "/" + wanted.name
}
