package attest

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/edgelesssys/ego/attestation/tcbstatus"
)

// The documents that Intel signs (Intel PCS API, version 4: GetTcbInfo and GetQeIdentity).

// document is what they have in common.
type document struct {
	ID         string    `json:"id"`
	Version    int       `json:"version"`
	IssueDate  time.Time `json:"issueDate"`
	NextUpdate time.Time `json:"nextUpdate"`
	Evaluation uint32    `json:"tcbEvaluationDataNumber"`
}

func (d document) window() window { return window{d.IssueDate, d.NextUpdate} }

// tcbInfo says how current the firmware of a family of machines is.
type tcbInfo struct {
	document
	FMSPC   hexBytes `json:"fmspc"`
	PCEID   hexBytes `json:"pceId"`
	Kind    *int     `json:"tcbType"`
	Module  *module  `json:"tdxModule"`           // of version 0
	Modules []module `json:"tdxModuleIdentities"` // of the later versions
	Levels  []level  `json:"tcbLevels"`
}

// module describes a TDX module.
type module struct {
	ID         string   `json:"id"`
	MRSigner   hexBytes `json:"mrsigner"`
	Attributes hexBytes `json:"attributes"`
	Mask       hexBytes `json:"attributesMask"`
	Levels     []level  `json:"tcbLevels"`
}

// qeIdentity describes the quoting enclave.
type qeIdentity struct {
	document
	MiscSelect     hexBytes `json:"miscselect"`
	MiscSelectMask hexBytes `json:"miscselectMask"`
	Attributes     hexBytes `json:"attributes"`
	AttributesMask hexBytes `json:"attributesMask"`
	MRSigner       hexBytes `json:"mrsigner"`
	ProductID      *uint16  `json:"isvprodid"`
	Levels         []level  `json:"tcbLevels"`
}

// level is a status and the security versions that have it.
type level struct {
	TCB struct {
		SGX    []component `json:"sgxtcbcomponents"`
		TDX    []component `json:"tdxtcbcomponents"`
		PCESVN *uint16     `json:"pcesvn"`
		SVN    *uint16     `json:"isvsvn"` // of an enclave or module
	} `json:"tcb"`
	Date       time.Time `json:"tcbDate"`
	Status     *status   `json:"tcbStatus"`
	Advisories []string  `json:"advisoryIDs"`
}

type component struct {
	SVN *uint8 `json:"svn"`
}

// hexBytes are bytes written in hex, in either case.
type hexBytes []byte

// UnmarshalText reads hex.
func (h *hexBytes) UnmarshalText(text []byte) error {
	raw, err := hex.DecodeString(string(text))
	*h = raw
	return err
}

// status is a status that Intel may give.
type status tcbstatus.Status

// UnmarshalText reads the name of a status.
func (s *status) UnmarshalText(text []byte) error {
	name, err := parseStatus(string(text))
	*s = status(name)
	return err
}

// status is the level's; parsing saw to it that there is one.
func (l *level) status() tcbstatus.Status { return tcbstatus.Status(*l.Status) }

// parseStatus reads the name of a status that Intel may give.
func parseStatus(name string) (tcbstatus.Status, error) {
	for s := tcbstatus.UpToDate; s < tcbstatus.Unknown; s++ {
		if s.String() == name {
			return s, nil
		}
	}
	return tcbstatus.Unknown, fmt.Errorf("there is no TCB status %q", name)
}

// parseTCBInfo reads a TCB info whose signature holds, and checks that it is complete.
func parseTCBInfo(text string) (tcbInfo, *Error) {
	var info tcbInfo
	if err := json.Unmarshal([]byte(text), &info); err != nil {
		return info, refuse(ClassCollateral, "the TCB info cannot be read: %v", err)
	}
	if info.ID != string(SGX) && info.ID != string(TDX) || info.Version != 3 || info.Kind == nil || *info.Kind != 0 {
		return info, refuse(ClassCollateral, "the TCB info is for %q, of version %d, want SGX or TDX, version 3, type 0", info.ID, info.Version)
	}
	if len(info.FMSPC) != 6 || len(info.PCEID) != 2 {
		return info, refuse(ClassCollateral, "the TCB info names no platform")
	}
	if len(info.Levels) == 0 {
		return info, refuse(ClassCollateral, "the TCB info has no levels")
	}
	for i, level := range info.Levels {
		if !level.complete(info.ID == string(TDX)) {
			return info, refuse(ClassCollateral, "level %d of the TCB info is not complete", i)
		}
	}
	if info.ID == string(TDX) {
		return info, info.checkModules()
	}
	return info, nil
}

// complete says that a platform's level has all it is compared by.
func (l *level) complete(tdx bool) bool {
	return full(l.TCB.SGX) && (!tdx || full(l.TCB.TDX)) && l.TCB.PCESVN != nil && l.Status != nil
}

func full(components []component) bool {
	return len(components) == 16 && !slices.ContainsFunc(components, func(c component) bool { return c.SVN == nil })
}

func (i *tcbInfo) checkModules() *Error {
	if i.Module == nil || !i.Module.sound() {
		return refuse(ClassCollateral, "the TCB info describes no TDX module")
	}
	for _, m := range i.Modules {
		if !m.sound() {
			return refuse(ClassCollateral, "the TCB info does not describe the TDX module %q in full", m.ID)
		}
		if err := checkVersions(m.Levels, "TDX module "+m.ID); err != nil {
			return err
		}
	}
	return nil
}

func (m *module) sound() bool {
	return len(m.MRSigner) == 48 && len(m.Attributes) == 8 && len(m.Mask) == 8
}

// parseQEIdentity reads an identity whose signature holds, and checks that it is complete.
func parseQEIdentity(text string) (qeIdentity, *Error) {
	var identity qeIdentity
	if err := json.Unmarshal([]byte(text), &identity); err != nil {
		return identity, refuse(ClassCollateral, "the QE identity cannot be read: %v", err)
	}
	if identity.ID != "QE" && identity.ID != "TD_QE" || identity.Version != 2 {
		return identity, refuse(ClassCollateral, "the QE identity is for %q, of version %d, want QE or TD_QE, version 2", identity.ID, identity.Version)
	}
	if len(identity.MiscSelect) != 4 || len(identity.MiscSelectMask) != 4 || len(identity.Attributes) != 16 ||
		len(identity.AttributesMask) != 16 || len(identity.MRSigner) != 32 || identity.ProductID == nil {
		return identity, refuse(ClassCollateral, "the QE identity is not complete")
	}
	return identity, checkVersions(identity.Levels, "the quoting enclave")
}

// checkVersions checks the levels of one enclave or module. It is current, out of date
// or revoked: nothing else can be said of one.
func checkVersions(levels []level, what string) *Error {
	if len(levels) == 0 {
		return refuse(ClassCollateral, "there are no levels of %s", what)
	}
	for _, level := range levels {
		if level.TCB.SVN == nil || level.Status == nil {
			return refuse(ClassCollateral, "a level of %s is not complete", what)
		}
		switch level.status() {
		case tcbstatus.UpToDate, tcbstatus.OutOfDate, tcbstatus.Revoked:
		default:
			return refuse(ClassCollateral, "a level of %s has status %s", what, level.status())
		}
	}
	return nil
}

// find returns the first level that the machine reaches in every component; nil if it
// reaches none (Intel's QVL, 4.1.2.4.17).
func (i *tcbInfo) find(d description, td *TD) *level {
	for n := range i.Levels {
		level := &i.Levels[n]
		if reaches(d.svn, level.TCB.SGX, 0) && d.pceSVN >= *level.TCB.PCESVN &&
			(td == nil || reaches(td.TCBSVN, level.TCB.TDX, td.moduleComponents())) {
			return level
		}
	}
	return nil
}

// moduleComponents is how many of a TD's first components are the module's own affair:
// since version 1 the module is judged by its own levels.
func (t *TD) moduleComponents() int {
	if t.TCBSVN[1] > 0 {
		return 2
	}
	return 0
}

func reaches(svn [16]byte, components []component, from int) bool {
	for i := from; i < len(svn); i++ {
		if svn[i] < *components[i].SVN {
			return false
		}
	}
	return true
}

// findVersion returns the first level that a security version reaches.
func findVersion(levels []level, svn uint16) *level {
	for n := range levels {
		if svn >= *levels[n].TCB.SVN {
			return &levels[n]
		}
	}
	return nil
}

// module returns the description of the module that a TD ran under, and its level where
// modules of that version have levels of their own.
func (i *tcbInfo) module(td *TD) (*module, *level, *Error) {
	if td.TCBSVN[1] == 0 {
		return i.Module, nil, nil
	}
	name := fmt.Sprintf("TDX_%02X", td.TCBSVN[1])
	for n := range i.Modules {
		if m := &i.Modules[n]; strings.EqualFold(m.ID, name) {
			level := findVersion(m.Levels, uint16(td.TCBSVN[0]))
			if level == nil {
				return nil, nil, refuse(ClassTCB, "security version %d of the TDX module is below every level", td.TCBSVN[0])
			}
			return m, level, nil
		}
	}
	return nil, nil, refuse(ClassTCB, "the TCB info does not know the TDX module %s", name)
}

// masked says that got and want agree in the bits of the mask.
func masked(got, want, mask []byte) bool {
	for i := range mask {
		if got[i]&mask[i] != want[i]&mask[i] {
			return false
		}
	}
	return true
}

// merge is a platform's status once that of an enclave or module it relies on is taken
// into account (Intel's QVL, convergeTcbStatus).
func merge(platform, part tcbstatus.Status) tcbstatus.Status {
	switch {
	case platform == tcbstatus.Revoked || part == tcbstatus.Revoked:
		return tcbstatus.Revoked
	case part != tcbstatus.OutOfDate:
		return platform
	}
	switch platform {
	case tcbstatus.UpToDate, tcbstatus.SWHardeningNeeded, tcbstatus.OutOfDate:
		return tcbstatus.OutOfDate
	default:
		return tcbstatus.OutOfDateConfigurationNeeded
	}
}
