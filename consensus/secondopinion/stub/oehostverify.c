// A stand-in for Open Enclave's liboehostverify. It verifies nothing. It reads an SGX
// quote's report as it stands and answers what the quote's report data asks for: byte 0
// is the result (its number in oe_result_t), byte 1 the TCB status. So a test says what
// "ego" is to say.
#include <openenclave/attestation/verifier.h>

#include <stdlib.h>
#include <string.h>

enum {
    HEADER = 16, // Open Enclave's
    REPORT = HEADER + 48,
    REPORT_END = REPORT + 384,
    FLAGS = REPORT + 48,
    MRENCLAVE = REPORT + 64,
    MRSIGNER = REPORT + 128,
    PRODUCT = REPORT + 256,
    SVN = REPORT + 258,
    DATA = REPORT + 320,
    CLAIMS = 9,
};

oe_result_t oe_verifier_initialize(void) { return OE_OK; }

static void claim(oe_claim_t *claim, const char *name, const void *value, size_t size) {
    claim->name = strdup(name);
    claim->value = malloc(size);
    claim->value_size = size;
    memcpy(claim->value, value, size);
}

oe_result_t oe_verify_evidence(
    const oe_uuid_t *format_id,
    const uint8_t *evidence, size_t evidence_size,
    const uint8_t *endorsements, size_t endorsements_size,
    const oe_policy_t *policies, size_t policies_size,
    oe_claim_t **claims, size_t *claims_size) {
    static const uint8_t remote[8] = {1, 0, 0, 0, 2, 0, 0, 0};
    (void)format_id, (void)endorsements, (void)endorsements_size, (void)policies, (void)policies_size;
    if (evidence_size < REPORT_END || memcmp(evidence, remote, sizeof remote) != 0) {
        return OE_INVALID_PARAMETER;
    }
    oe_result_t result = (oe_result_t)evidence[DATA];
    if (result != OE_OK && result != OE_TCB_LEVEL_INVALID) {
        return result;
    }
    uint32_t version = evidence[SVN] | (uint32_t)evidence[SVN + 1] << 8;
    uint32_t attributes = 2 | (evidence[FLAGS] & 2) >> 1; // remote, debug
    uint32_t status = evidence[DATA + 1], level = 0;
    uint8_t product[16] = {evidence[PRODUCT], evidence[PRODUCT + 1]};
    static const char info[] = "{\"tcbInfo\":{\"tcbLevels\":[{\"advisoryIDs\":[\"INTEL-SA-00615\"]}]}}";

    oe_claim_t *out = calloc(CLAIMS, sizeof *out);
    claim(&out[0], "security_version", &version, sizeof version);
    claim(&out[1], "attributes", &attributes, sizeof attributes);
    claim(&out[2], "unique_id", evidence + MRENCLAVE, 32);
    claim(&out[3], "signer_id", evidence + MRSIGNER, 32);
    claim(&out[4], "product_id", product, sizeof product);
    claim(&out[5], "tcb_status", &status, sizeof status);
    claim(&out[6], "sgx_report_data", evidence + DATA, 64);
    claim(&out[7], "sgx_tcb_info", info, sizeof info);
    claim(&out[8], "sgx_tcb_info_index", &level, sizeof level);
    *claims = out;
    *claims_size = CLAIMS;
    return result;
}

oe_result_t oe_free_claims(oe_claim_t *claims, size_t claims_size) {
    for (size_t i = 0; i < claims_size; i++) {
        free(claims[i].name);
        free(claims[i].value);
    }
    free(claims);
    return OE_OK;
}

const char *oe_result_str(oe_result_t result) {
    switch (result) {
    case OE_OK: return "OE_OK";
    case OE_INVALID_PARAMETER: return "OE_INVALID_PARAMETER";
    case OE_VERIFY_FAILED: return "OE_VERIFY_FAILED";
    case OE_QUOTE_PROVIDER_LOAD_ERROR: return "OE_QUOTE_PROVIDER_LOAD_ERROR";
    case OE_TCB_LEVEL_INVALID: return "OE_TCB_LEVEL_INVALID";
    default: return "OE_FAILURE";
    }
}
