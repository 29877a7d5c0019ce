"""The built page of `mer phone-check`, in the folder `page`; `mer_sdk.phone` looks for it here. There is no code."""
