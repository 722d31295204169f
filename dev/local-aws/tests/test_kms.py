"""KMS as the encryption of values in a backup needs it; what ministack does itself is watched here too."""

import hashlib
from typing import Any

import pytest
from botocore.exceptions import ClientError
from conftest import error_code

from local_aws.running import Running

CONTEXT = {"SecretARN": "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:a-AbCdEf", "ValueType": "string"}
DISABLED, DYING = "DisabledException", "KMSInvalidStateException"


def refusal(call: Any, **options: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**options)
    return error_code(error)


@pytest.fixture
def kms(aws: Running) -> Any:
    return aws.client("kms")


def new_key(kms: Any, **options: Any) -> str:
    return str(kms.create_key(**options)["KeyMetadata"]["Arn"])


def hmac_key(kms: Any) -> str:
    return new_key(kms, KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")


def data_key(kms: Any, arn: str) -> dict[str, Any]:
    return dict(kms.generate_data_key(KeyId=arn, KeySpec="AES_256", EncryptionContext=CONTEXT))


def test_a_data_key_comes_back_under_its_key_and_context(kms: Any, fresh_name: str) -> None:
    arn = new_key(kms)
    kms.create_alias(AliasName=f"alias/{fresh_name}", TargetKeyId=arn)
    made = data_key(kms, f"alias/{fresh_name}")
    assert (made["KeyId"], len(made["Plaintext"])) == (arn, 32)
    for options in ({}, {"KeyId": arn}, {"KeyId": f"alias/{fresh_name}"}):
        back = kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext=CONTEXT, **options)
        assert (back["Plaintext"], back["KeyId"]) == (made["Plaintext"], arn)
    again = data_key(kms, arn)
    assert (again["Plaintext"], again["CiphertextBlob"]) != (made["Plaintext"], made["CiphertextBlob"])


@pytest.mark.parametrize("context", [{}, {**CONTEXT, "ValueType": "binary"}, {**CONTEXT, "more": "x"}])
def test_another_context_is_refused(kms: Any, context: dict[str, str]) -> None:
    arn = new_key(kms)
    blob = data_key(kms, arn)["CiphertextBlob"]
    assert refusal(kms.decrypt, CiphertextBlob=blob, KeyId=arn, EncryptionContext=context) == (
        "InvalidCiphertextException"
    )


def test_another_key_is_refused(kms: Any) -> None:
    arn, other = new_key(kms), new_key(kms)
    call = {"CiphertextBlob": data_key(kms, arn)["CiphertextBlob"], "EncryptionContext": CONTEXT}
    assert refusal(kms.decrypt, **call, KeyId=other) == "IncorrectKeyException"
    assert refusal(kms.decrypt, **call, KeyId=hmac_key(kms)) == "InvalidKeyUsageException"
    nobody = arn[:-4] + "0000"
    assert refusal(kms.decrypt, **call, KeyId=nobody) == "NotFoundException"
    assert refusal(kms.generate_data_key, KeyId=nobody, KeySpec="AES_256") == "NotFoundException"


def test_an_altered_ciphertext_is_refused(kms: Any) -> None:
    arn = new_key(kms)
    blob = data_key(kms, arn)["CiphertextBlob"]
    altered = [blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :] for at in range(0, len(blob), 7)]
    for bad in [*altered, blob[:-1], blob[:20], blob + b"x", b"nonsense"]:
        for options in ({}, {"KeyId": arn}):
            call = {"CiphertextBlob": bad, "EncryptionContext": CONTEXT, **options}
            assert refusal(kms.decrypt, **call) == "InvalidCiphertextException"


def test_encrypt_and_keys_without_plaintext_come_back(kms: Any) -> None:
    arn = new_key(kms)
    blob = kms.encrypt(KeyId=arn, Plaintext=b"value", EncryptionContext=CONTEXT)["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob, EncryptionContext=CONTEXT)["Plaintext"] == b"value"
    blob = kms.generate_data_key_without_plaintext(KeyId=arn, KeySpec="AES_256")["CiphertextBlob"]
    assert len(kms.decrypt(CiphertextBlob=blob)["Plaintext"]) == 32
    pair = kms.generate_data_key_pair(KeyId=arn, KeyPairSpec="ECC_NIST_P256")
    back = kms.decrypt(CiphertextBlob=pair["PrivateKeyCiphertextBlob"], KeyId=arn)
    assert back["Plaintext"] == pair["PrivateKeyPlaintext"]


def test_an_asymmetric_key_decrypts(kms: Any) -> None:
    arn = new_key(kms, KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
    call = {"KeyId": arn, "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}
    blob = kms.encrypt(**call, Plaintext=b"value")["CiphertextBlob"]
    assert kms.decrypt(**call, CiphertextBlob=blob)["Plaintext"] == b"value"


def test_keys_that_cannot_be_used(kms: Any, fresh_name: str) -> None:
    arn, mac = new_key(kms), hmac_key(kms)
    blob = data_key(kms, arn)["CiphertextBlob"]

    def refusals() -> list[str]:
        return [
            refusal(kms.generate_data_key, KeyId=arn, KeySpec="AES_256"),
            refusal(kms.decrypt, KeyId=arn, CiphertextBlob=blob, EncryptionContext=CONTEXT),
            refusal(kms.decrypt, CiphertextBlob=blob, EncryptionContext=CONTEXT),
            refusal(kms.generate_mac, KeyId=mac, Message=b"x", MacAlgorithm="HMAC_SHA_256"),
            refusal(kms.enable_key_rotation, KeyId=arn),
            refusal(kms.disable_key_rotation, KeyId=arn),
        ]

    for key in (arn, mac):
        kms.disable_key(KeyId=key)
    assert refusals() == [DISABLED] * 6
    kms.create_alias(AliasName=f"alias/{fresh_name}", TargetKeyId=arn)
    for key in (arn, mac):
        kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert refusals() == [DYING] * 6
    assert refusal(kms.create_alias, AliasName=f"alias/{fresh_name}-2", TargetKeyId=arn) == DYING


def test_a_mac_is_the_same_for_the_same_message_and_key(kms: Any) -> None:
    arn, other = hmac_key(kms), hmac_key(kms)

    def mac(key: str, message: bytes) -> bytes:
        answer = kms.generate_mac(KeyId=key, Message=message, MacAlgorithm="HMAC_SHA_256")
        assert (answer["KeyId"], answer["MacAlgorithm"]) == (key, "HMAC_SHA_256")
        return bytes(answer["Mac"])

    assert mac(arn, b"x") == mac(arn, b"x")
    assert len({mac(arn, b"x"), mac(arn, b"y"), mac(other, b"x"), hashlib.sha256(b"x").digest()}) == 4
    assert len(mac(arn, b"x" * 4096)) == 32
    call = {"Message": b"x", "MacAlgorithm": "HMAC_SHA_256"}
    assert refusal(kms.generate_mac, **{**call, "Message": b"x" * 4097}, KeyId=arn) == "ValidationException"
    assert refusal(kms.generate_mac, **call, KeyId=new_key(kms)) == "InvalidKeyUsageException"
    assert refusal(kms.generate_mac, **{**call, "MacAlgorithm": "HMAC_SHA_512"}, KeyId=arn) == (
        "InvalidKeyUsageException"
    )


def test_hmac_keys_are_for_macs_only(kms: Any) -> None:
    arn = hmac_key(kms)
    described = kms.describe_key(KeyId=arn)["KeyMetadata"]
    assert (described["KeySpec"], described["KeyUsage"]) == ("HMAC_256", "GENERATE_VERIFY_MAC")
    assert refusal(kms.generate_data_key, KeyId=arn, KeySpec="AES_256") == "InvalidKeyUsageException"
    assert refusal(kms.enable_key_rotation, KeyId=arn) == "UnsupportedOperationException"
    assert refusal(kms.create_key, KeySpec="HMAC_256") == "ValidationException"


def test_an_alias_names_one_key(kms: Any, fresh_name: str) -> None:
    arn, alias = new_key(kms), f"alias/{fresh_name}"
    kms.create_alias(AliasName=alias, TargetKeyId=arn)
    assert kms.describe_key(KeyId=alias)["KeyMetadata"]["Arn"] == arn
    assert refusal(kms.create_alias, AliasName=alias, TargetKeyId=new_key(kms)) == "AlreadyExistsException"
    assert refusal(kms.create_alias, AliasName=f"{alias}-2", TargetKeyId=alias) == "ValidationException"
    assert refusal(kms.create_alias, AliasName=f"{alias}-2", TargetKeyId="nobody") == "NotFoundException"


def test_rotation(kms: Any) -> None:
    arn = new_key(kms)

    def rotates() -> bool:
        return bool(kms.get_key_rotation_status(KeyId=arn)["KeyRotationEnabled"])

    assert not rotates()
    for _ in range(2):
        kms.enable_key_rotation(KeyId=arn)
        assert rotates()
    assert kms.get_key_rotation_status(KeyId=arn)["RotationPeriodInDays"] == 365
    kms.disable_key(KeyId=arn)
    assert rotates(), "a disabled key keeps the setting"
    kms.schedule_key_deletion(KeyId=arn, PendingWindowInDays=7)
    assert not rotates()
    kms.cancel_key_deletion(KeyId=arn)
    assert rotates()
