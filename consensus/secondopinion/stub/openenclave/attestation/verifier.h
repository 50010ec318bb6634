// A stand-in for Open Enclave's header of this name, with what ego's eclient uses and no
// more, so that the files with the tag ego are compiled and run where Open Enclave is not
// installed. The names and the shapes are Open Enclave's public interface; the text is ours.
#ifndef ASSAY_STUB_VERIFIER_H
#define ASSAY_STUB_VERIFIER_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
    OE_OK = 0, // the numbers of the others are ours
    OE_FAILURE = 1,
    OE_INVALID_PARAMETER = 3,
    OE_VERIFY_FAILED = 11,
    OE_QUOTE_PROVIDER_LOAD_ERROR = 48,
    OE_TCB_LEVEL_INVALID = 67,
} oe_result_t;

typedef struct {
    uint8_t b[16];
} oe_uuid_t;

typedef struct {
    int type;
    void *policy;
    size_t policy_size;
} oe_policy_t;

typedef struct {
    char *name;
    uint8_t *value;
    size_t value_size;
} oe_claim_t;

oe_result_t oe_verifier_initialize(void);

oe_result_t oe_verify_evidence(
    const oe_uuid_t *format_id,
    const uint8_t *evidence, size_t evidence_size,
    const uint8_t *endorsements, size_t endorsements_size,
    const oe_policy_t *policies, size_t policies_size,
    oe_claim_t **claims, size_t *claims_size);

oe_result_t oe_free_claims(oe_claim_t *claims, size_t claims_size);

const char *oe_result_str(oe_result_t result);

#endif
