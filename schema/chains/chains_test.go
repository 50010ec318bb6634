package chains

import (
	"strings"
	"testing"
)

func TestShippedPresets(t *testing.T) {
	presets, err := All()
	if err != nil {
		t.Fatal(err)
	}
	names, ids := map[string]bool{}, map[uint64]bool{}
	for _, p := range presets {
		if names[p.Name] || ids[p.ChainID] {
			t.Errorf("%s (chain %d) is there twice", p.Name, p.ChainID)
		}
		names[p.Name], ids[p.ChainID] = true, true
		if p.Development {
			t.Errorf("%s calls itself a development chain", p.Name)
		}
		if p.StartBlock == 0 || p.AppRegistry == "" || p.DatasetRegistry == "" || p.WorkerpoolRegistry == "" || len(p.Eras) == 0 {
			t.Errorf("%s is incomplete: %+v", p.Name, p)
		}
	}
	for _, name := range []string{"arbitrum-one", "arbitrum-sepolia", "bellecour", "mainnet"} {
		if !names[name] {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	const hub = `"hub":"0x098bFCb1E50ebcA0BaA92C12eA0c3F045A1aD9f0"`
	for _, c := range []struct{ preset, says string }{
		{`{`, "unexpected EOF"},
		{`{"name":"a","chainId":1,` + hub + `,"hubb":"x"}`, "unknown field"},
		{`{"name":"A b","chainId":1,` + hub + `}`, "name"},
		{`{"name":"a",` + hub + `}`, "chainId"},
		{`{"name":"a","chainId":1}`, "hub is missing"},
		{`{"name":"a","chainId":1,"hub":"0x12"}`, "no address"},
		{`{"name":"a","chainId":1,` + hub + `,"appRegistry":"none"}`, `"none" is no address`},
		{`{"name":"a","chainId":1,` + hub + `,"workerpools":["0x1"]}`, `"0x1" is no address`},
		{`{"name":"a","chainId":42161,` + hub + `,"development":true}`, "chain 42161 is arbitrum-one"},
		{`{"name":"a","chainId":1,` + hub + `,"eras":[{"fromBlock":5}]}`, "era 0"},
		{`{"name":"a","chainId":1,` + hub + `,"upgrades":[{"version":"v7","facet":"0x1"}]}`, "upgrade to v7"},
		{`{"name":"a","chainId":1,` + hub + `,"eras":[{"fromBlock":0},{"fromBlock":0}]}`, "era 1"},
	} {
		if _, err := Parse([]byte(c.preset)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want an error that says %q", c.preset, err, c.says)
		}
	}
	if p, err := Parse([]byte(`{"name":"a-1","chainId":1,` + hub + `}`)); err != nil || p.ChainID != 1 {
		t.Errorf("a token without registries: %+v, %v", p, err)
	}
}
