package roles

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"assay/consensus/attest"
	"assay/consensus/collateral"
	"assay/internal/devpki"
	"assay/schema/chains"
	"assay/workers"
)

// ErrTestRoot says that a chain with real money was to trust another root than Intel's.
var ErrTestRoot = errors.New("only a development chain may trust another root than Intel's")

// QuoteRoot is whom enclave quotes must chain to: Intel; on a development chain, who is
// named, or else the development root, whose quotes anybody can make.
func QuoteRoot(preset chains.Preset, named *x509.Certificate) (*x509.Certificate, error) {
	switch {
	case !preset.Development && named != nil && !named.Equal(attest.IntelRoot()):
		return nil, fmt.Errorf("%w: %s is chain %d, and the root that was named is %q: leave out --quote-root",
			ErrTestRoot, preset.Name, preset.ChainID, named.Subject.CommonName)
	case !preset.Development:
		return attest.IntelRoot(), nil
	case named != nil:
		return named, nil
	}
	pki, err := devPKI()
	if err != nil {
		return nil, err
	}
	return pki.Root(), nil
}

// devPKI vouches for enclaves of development chains.
var devPKI = sync.OnceValues(func() (*devpki.PKI, error) { return devpki.New([]byte("assay development")) })

// DevMeasurement is the fingerprint of development enclaves.
const DevMeasurement = "a55a1000000000000000000000000000000000000000000000000000000000de"

// DevEnclave is an enclave on a development machine of its own, for the worker of a key.
// Change, unless it is nil, makes it another enclave than the others.
func DevEnclave(key *ecdsa.PrivateKey, change func(*devpki.Enclave)) (*workers.Enclave, error) {
	pki, err := devPKI()
	if err != nil {
		return nil, err
	}
	machine, err := pki.Machine(crypto.PubkeyToAddress(key.PublicKey).Hex())
	if err != nil {
		return nil, err
	}
	var measured devpki.Enclave
	if _, err := hex.Decode(measured.MREnclave[:], []byte(DevMeasurement)); err != nil {
		return nil, err
	}
	if change != nil {
		change(&measured)
	}
	return workers.NewDevEnclave(machine, measured, crypto.FromECDSA(key)), nil
}

// NewEnclave is what a worker runs tasks in that ask for an enclave: the one that this
// process is in; else, on a development chain, one of a development machine; else none.
func (d Deps) NewEnclave(key *ecdsa.PrivateKey) (*workers.Enclave, error) {
	enclave, err := workers.NewEgoEnclave()
	switch {
	case !errors.Is(err, workers.ErrNoEnclave):
		return enclave, err
	case d.Preset.Development:
		return DevEnclave(key, nil)
	}
	return nil, nil
}

// Development collateral lasts 29 days on the chain's clock, and is followed by the next
// when it has devMargin left. That is looked at every devEvery.
const (
	devMargin = 15 * 24 * time.Hour
	devEvery  = time.Hour
)

// keepVouching publishes collateral for development machines in time, until ctx ends.
func (d Deps) keepVouching(ctx context.Context) error {
	ticker := time.NewTicker(devEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			if err := d.vouchForDevelopment(ctx); err != nil {
				d.Log.Warn("development collateral was not refreshed", "error", err)
			}
		}
	}
}

// vouchForDevelopment publishes the collateral by which development machines are up to
// date, unless what is in the log lasts.
func (d Deps) vouchForDevelopment(ctx context.Context) error {
	pki, err := devPKI()
	if err != nil {
		return err
	}
	at, err := d.ChainTime(ctx)
	if err != nil {
		return err
	}
	publisher := collateral.Publisher{Kafka: d.Kafka, Root: pki.Root()}
	known, err := publisher.Read(ctx)
	if err != nil {
		return err
	}
	for _, tee := range []attest.TEE{attest.SGX, attest.TDX} {
		var from uint64 // the first is in force for all that was before
		if last := known.Newest(attest.Key{TEE: tee, FMSPC: devpki.FMSPC, CA: pki.CA().Subject.CommonName}); last != nil {
			if _, to := last.Valid(); to.Sub(at) > devMargin {
				continue
			}
			from = uint64(at.Unix())
		}
		raw, err := pki.Collateral(at, tee == attest.TDX).JSON()
		if err != nil {
			return err
		}
		if _, err := publisher.PublishSet(ctx, raw, from); err != nil {
			return fmt.Errorf("publishing development collateral: %w", err)
		}
	}
	return nil
}

// ChainTime is the time of the chain's newest block.
func (d Deps) ChainTime(ctx context.Context) (time.Time, error) {
	var head struct {
		Time hexutil.Uint64 `json:"timestamp"`
	}
	if err := d.RPC.CallContext(ctx, &head, "eth_getBlockByNumber", "latest", false); err != nil {
		return time.Time{}, fmt.Errorf("asking for the newest block: %w", WithoutURL(err))
	}
	return time.Unix(int64(head.Time), 0), nil
}

// PublishPolicy puts a pool's policy into the collateral log, unless it is the newest
// there: in force at once if it is the first, else after collateral.Lead.
func (d Deps) PublishPolicy(ctx context.Context, raw []byte) error {
	at, err := d.ChainTime(ctx)
	if err != nil {
		return err
	}
	publisher := collateral.Publisher{Kafka: d.Kafka}
	known, err := publisher.Read(ctx)
	if err != nil {
		return err
	}
	appended, err := publisher.PublishPolicy(ctx, raw, known.Start(nil, uint64(at.Unix())))
	if appended {
		d.Log.Info("the policy was published", "hash", fmt.Sprintf("%x", attest.HashPolicy(raw)))
	}
	return err
}
