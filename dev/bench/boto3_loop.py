"""A backup as one would write it with boto3: list, describe, policy, versions, one file a secret in a tar.gz, one upload."""

import io
import json
import tarfile

import boto3


def main():
    secrets, s3 = boto3.client("secretsmanager"), boto3.client("s3")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz", compresslevel=6) as tar:
        for page in secrets.get_paginator("list_secrets").paginate(IncludePlannedDeletion=True):
            for listed in page["SecretList"]:
                secret = secrets.describe_secret(SecretId=listed["ARN"])
                policy = secrets.get_resource_policy(SecretId=listed["ARN"])
                secret["ResourcePolicy"] = policy.get("ResourcePolicy")
                versions = secrets.list_secret_version_ids(SecretId=listed["ARN"], IncludeDeprecated=True)
                secret["Versions"] = versions["Versions"]
                body = json.dumps(secret, default=str).encode()
                entry = tarfile.TarInfo(f"backup/{listed['Name']}-config.json")
                entry.size = len(body)
                tar.addfile(entry, io.BytesIO(body))
    s3.put_object(Bucket="bench", Key="backup.tar.gz", Body=archive.getvalue())


if __name__ == "__main__":
    main()
