// Package collateral fetches what Intel says about a family of platforms: from a PCCS or
// from Intel's own service (PCS), both of API version 4, or from a directory of files. It
// is off the path of every verdict: what it returns is a proposal, which attest.Load has
// checked, to be appended to the collateral log.
package collateral

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"assay/consensus/attest"
)

// IntelService is Intel's own service.
const IntelService = "https://api.trustedservices.intel.com"

// intelRootCRL is where the list is that a PCCS offers as rootcacrl.
const intelRootCRL = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"

// Fetcher asks a PCCS, or Intel.
type Fetcher struct {
	Client  *http.Client // with a timeout of its own
	Service string       // base address, without /sgx/certification
	RootCRL string       // address of the root CRL; empty: Service's, or Intel's if that is the service
}

// ErrUnknownCA says that a key names a CA that certifies no platforms.
var ErrUnknownCA = errors.New("neither the platform CA nor the processor CA")

// File is a set in the form that attest.Load reads.
type File struct {
	PCKCRLChain  string `json:"pck_crl_issuer_chain"`
	RootCRL      string `json:"root_ca_crl"`
	PCKCRL       string `json:"pck_crl"`
	TCBChain     string `json:"tcb_info_issuer_chain"`
	TCBInfo      string `json:"tcb_info"`
	TCBSignature string `json:"tcb_info_signature"`
	QEChain      string `json:"qe_identity_issuer_chain"`
	QEIdentity   string `json:"qe_identity"`
	QESignature  string `json:"qe_identity_signature"`
}

// Fetch returns the set for the platforms of a key, as a file. Nothing in it has been
// verified.
func (f *Fetcher) Fetch(ctx context.Context, key attest.Key) ([]byte, error) {
	ca, err := caParameter(key.CA)
	if err != nil {
		return nil, err
	}
	var file File
	tee := strings.ToLower(string(key.TEE))
	if file.RootCRL, err = f.rootCRL(ctx); err != nil {
		return nil, err
	}
	body, header, err := f.get(ctx, f.Service+"/sgx/certification/v4/pckcrl?encoding=der&ca="+ca, "SGX-PCK-CRL-Issuer-Chain")
	if err != nil {
		return nil, fmt.Errorf("fetching the PCK CRL: %w", err)
	}
	file.PCKCRL, file.PCKCRLChain = hexOf(body), header
	tcb := fmt.Sprintf("%s/%s/certification/v4/tcb?fmspc=%x", f.Service, tee, key.FMSPC)
	if file.TCBInfo, file.TCBSignature, file.TCBChain, err = f.signed(ctx, tcb, "tcbInfo", "TCB-Info-Issuer-Chain"); err != nil {
		return nil, fmt.Errorf("fetching the TCB info: %w", err)
	}
	identity := fmt.Sprintf("%s/%s/certification/v4/qe/identity", f.Service, tee)
	if file.QEIdentity, file.QESignature, file.QEChain, err = f.signed(ctx, identity, "enclaveIdentity", "SGX-Enclave-Identity-Issuer-Chain"); err != nil {
		return nil, fmt.Errorf("fetching the QE identity: %w", err)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err = encoder.Encode(file)
	return out.Bytes(), err
}

func caParameter(name string) (string, error) {
	switch name {
	case "Intel SGX PCK Platform CA":
		return "platform", nil
	case "Intel SGX PCK Processor CA":
		return "processor", nil
	}
	return "", fmt.Errorf("%q: %w", name, ErrUnknownCA)
}

// rootCRL is a PCCS's, in hex, or Intel's, in DER.
func (f *Fetcher) rootCRL(ctx context.Context) (string, error) {
	address := f.RootCRL
	switch {
	case address != "":
	case f.Service == IntelService:
		address = intelRootCRL
	default:
		address = f.Service + "/sgx/certification/v4/rootcacrl"
	}
	body, _, err := f.get(ctx, address, "")
	if err != nil {
		return "", fmt.Errorf("fetching the root CRL: %w", err)
	}
	return hexOf(body), nil
}

// signed fetches a signed text, byte for byte, with its signature and who signed it.
func (f *Fetcher) signed(ctx context.Context, address, member, issuer string) (text, signature, chain string, err error) {
	body, chain, err := f.get(ctx, address, issuer)
	if err != nil {
		return "", "", "", err
	}
	var answer map[string]json.RawMessage
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", "", "", fmt.Errorf("%s: %w", address, err)
	}
	if err := json.Unmarshal(answer["signature"], &signature); err != nil {
		return "", "", "", fmt.Errorf("%s has no signature: %w", address, err)
	}
	if len(answer[member]) == 0 {
		return "", "", "", fmt.Errorf("%s has no %s", address, member)
	}
	return string(answer[member]), signature, chain, nil
}

// get fetches an address, and the certificate chain in a header of the answer, if one is
// named. What came before version 4 put SGX- before the header of TCB infos, too.
func (f *Fetcher) get(ctx context.Context, address, issuer string) (body []byte, chain string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, "", err
	}
	answer, err := f.Client.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer answer.Body.Close() //nolint:errcheck // it was read, or is not needed
	if answer.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("%s answers %s", address, answer.Status)
	}
	body, err = io.ReadAll(io.LimitReader(answer.Body, attest.MaxCollateralSize+1))
	if err != nil {
		return nil, "", fmt.Errorf("reading %s: %w", address, err)
	}
	if len(body) > attest.MaxCollateralSize {
		return nil, "", fmt.Errorf("%s answers with more than %d bytes", address, attest.MaxCollateralSize)
	}
	if issuer == "" {
		return body, "", nil
	}
	escaped := answer.Header.Get(issuer)
	if escaped == "" {
		escaped = answer.Header.Get("SGX-" + issuer)
	}
	chain, err = url.PathUnescape(escaped)
	if err != nil || chain == "" {
		return nil, "", fmt.Errorf("%s does not say who issued it (%s)", address, issuer)
	}
	return body, chain, nil
}

// hexOf is a CRL in hex, whichever of its three forms it came in: DER, PEM or hex.
func hexOf(body []byte) string {
	trimmed := bytes.TrimSpace(body)
	if block, _ := pem.Decode(trimmed); block != nil {
		return hex.EncodeToString(block.Bytes)
	}
	if _, err := hex.DecodeString(string(trimmed)); err == nil {
		return string(trimmed)
	}
	return hex.EncodeToString(body)
}
