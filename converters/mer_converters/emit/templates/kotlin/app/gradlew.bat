@rem @generated@
@rem Runs the Gradle that gradle\wrapper\gradle-wrapper.properties names; fetches it once, and checks its sha256.
@echo off
setlocal
set NAME=gradle-8.11.1
set URL=https://services.gradle.org/distributions/%NAME%-bin.zip
set SUM=f397b287023acdba1e9f6fc5ea72d22dd63669d59ed4a289a29b1a76eee151c6
if "%GRADLE_USER_HOME%"=="" set GRADLE_USER_HOME=%USERPROFILE%\.gradle
set STORE=%GRADLE_USER_HOME%\mer-edge
if exist "%STORE%\%NAME%\bin\gradle.bat" goto run
if not exist "%STORE%" mkdir "%STORE%"
echo fetching %URL%
powershell -NoProfile -Command "$ErrorActionPreference = 'Stop'; $zip = Join-Path $env:STORE 'gradle.zip'; Invoke-WebRequest -UseBasicParsing $env:URL -OutFile $zip; if ((Get-FileHash $zip -Algorithm SHA256).Hash -ne $env:SUM) { Remove-Item $zip; throw 'another sha256 than the properties name' }; Expand-Archive $zip $env:STORE -Force; Remove-Item $zip" || exit /b 1
:run
call "%STORE%\%NAME%\bin\gradle.bat" -p "%~dp0." %*
